/** Program for linux.test.ts: sends, closes, and ends at once. `leaving.js ADDRESS PORT BYTES` */
import { AF_INET, close, connect, send, SOCK_STREAM, socket } from 'tasjs/sockets'

const [address, port, lenBytes] = process.argv.slice(2)
const fd = socket(AF_INET, SOCK_STREAM)
connect(fd, { address, port: Number(port) })
send(fd, new Uint8Array(Number(lenBytes)))
close(fd)
