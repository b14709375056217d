/** Opens connections, sends a burst on each, takes as much back, says so and keeps them open: `burst ADDRESS PORT CONNECTIONS BYTES`. */
import { connect, type Socket } from 'node:net'

const [address, port, connections, bytes] = [process.argv[2], ...process.argv.slice(3).map(Number)] as [string, number, number, number]
/** Handshakes at a time: the backlog of a listener is bounded. */
const AT_ONCE = 50

function open(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, address, () => resolve(socket))
    socket.once('error', reject)
  })
}

function exchange(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0
    socket.on('data', (data: Buffer) => {
      received += data.length
      if (received === bytes) resolve()
    })
    socket.once('error', reject)
    socket.write(Buffer.alloc(bytes, 1))
  })
}

const sockets: Socket[] = []
while (sockets.length < connections) {
  sockets.push(...await Promise.all(Array.from({ length: Math.min(AT_ONCE, connections - sockets.length) }, open)))
}
await Promise.all(sockets.map(exchange))
console.log('done')
