/**
 * A server on HOST that ends as the first byte of a connection says, and prints 'up' before. Whether HOST is TAS's, and how TAS got there, it does
 * not know. A connection that has said nothing stays open until then.
 */
import net from 'node:net'
import { HOST } from './runner.js'

const PORT = 7300
/** More than a peer that reads takes at once. */
const LAST_WORDS = Buffer.alloc(300_000, 'last words ')

const server = net.createServer((socket) => {
  socket.on('error', () => undefined)
  socket.once('data', (bytes: Buffer) => endings[bytes.toString()]?.(socket))
})

const endings: Readonly<Record<string, (socket: net.Socket) => void>> = {
  /** Ends without waiting for anything: the kernel would deliver it. */
  e: (socket) => socket.end(LAST_WORDS, () => process.exit(3)),
  /** Nothing is left to do. */
  c: (socket) => {
    server.close()
    socket.end(LAST_WORDS)
  },
  /** Nothing keeps it. */
  u: (socket) => {
    server.unref()
    socket.unref()
  },
  t: () => {
    throw new Error('it has thrown')
  },
  /** Handles signals from now on. */
  h: (socket) => {
    process.once('SIGTERM', () => process.stdout.write('handled\n'))
    socket.write('h')
  },
  /** Does so no more. */
  r: (socket) => {
    process.removeAllListeners('SIGTERM')
    socket.write('r')
  },
}

server.listen(PORT, HOST, () => process.stdout.write('up\n'))
