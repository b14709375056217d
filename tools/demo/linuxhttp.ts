/** An HTTP server on the Linux kernel's TCP: sends the file named by its argument to whoever asks. */
import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { pipeline } from 'node:stream'

const [path, port] = process.argv.slice(2)
const lenBytes = statSync(path).size

createServer((_request, response) => {
  response.writeHead(200, { 'content-length': lenBytes, 'content-type': 'application/octet-stream' })
  // A client that goes away early is its own business.
  pipeline(createReadStream(path, { highWaterMark: 1 << 18 }), response, () => {})
}).listen(Number(port), () => console.log('ready'))
