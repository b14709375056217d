/** The benchmark's server on node:net. */
import { createServer, type Socket } from 'node:net'
import { BACKLOG, parseServer, PORT_ECHO, PORT_SINK, PORT_SOURCE } from './ports.js'

const { port, callBytes } = parseServer()
const bytes = Buffer.alloc(callBytes)

function echo(socket: Socket): void {
  socket.on('data', data => {
    if (!socket.write(data)) socket.pause()
  })
  socket.on('drain', () => socket.resume())
}

function source(socket: Socket): void {
  const fill = (): void => {
    while (socket.writable && socket.write(bytes)) {
      // write until the socket says that it is enough
    }
  }
  socket.on('drain', fill)
  socket.resume()
  fill()
}

function sink(socket: Socket): void {
  socket.on('data', () => {})
}

const roles: ReadonlyArray<readonly [number, (socket: Socket) => void]> = [
  [PORT_ECHO, echo], [PORT_SOURCE, source], [PORT_SINK, sink],
]
let listening = 0
for (const [offset, serve] of roles) {
  const server = createServer({ noDelay: true }, socket => {
    // The client may reset: its bench is over.
    socket.on('error', () => socket.destroy())
    serve(socket)
  })
  server.listen({ port: port + offset, backlog: BACKLOG }, () => {
    listening++
    if (listening === roles.length) console.log('ready')
  })
}
