/** The other process of sending.ts: gets sockets and servers, and does with them what the message says. */
import { createHash } from 'node:crypto'
import http from 'node:http'
import net from 'node:net'

/** What to do with a socket or server. */
export type Orders = 'echo' | 'hash' | 'pour' | 'wait' | 'report' | 'reset' | 'destroy' | 'write' | 'return' | 'web' | 'serve'

const POURED = Buffer.alloc(8_000_000, 'poured ')

interface Message {
  readonly order: Orders
  readonly head?: string
}

function tell(message: object): void {
  process.send?.(message)
}

function namesOf(socket: net.Socket): object {
  const { remoteAddress, remotePort, localAddress, localPort, remoteFamily } = socket
  return { remoteAddress, remotePort, localAddress, localPort, family: remoteFamily?.slice(0, 3) }
}

function hash(socket: net.Socket): void {
  const digest = createHash('sha256')
  socket.on('data', (bytes: Buffer) => digest.update(bytes))
  socket.on('end', () => socket.end(digest.digest('hex')))
}

/** Reads nothing until it is told to. */
function wait(socket: net.Socket): void {
  socket.pause()
  tell({ isPaused: true })
  process.once('message', () => {
    let got = 0
    socket.on('data', (bytes: Buffer) => { got += bytes.length })
    socket.on('end', () => socket.end(`${got}`))
    socket.resume()
  })
}

function report(socket: net.Socket): void {
  socket.on('error', (error: NodeJS.ErrnoException) => tell({ error: error.code }))
  socket.resume()
  tell({ isHere: true })
}

const withSocket: Readonly<Record<Exclude<Orders, 'serve'>, (socket: net.Socket, head: string) => void>> = {
  echo(socket, head) {
    tell(namesOf(socket))
    if (head !== '') socket.write(head)
    socket.pipe(socket)
  },
  hash,
  pour: (socket) => socket.resume().end(POURED),
  wait,
  report,
  reset: (socket) => socket.resetAndDestroy(),
  destroy: (socket) => socket.destroy(),
  write: (socket) => void socket.resume().write('child ', () => tell({ isWritten: true })),
  return: (socket) => process.send?.('back', socket),
  web: (socket) => http.createServer((_, response) => response.end('web')).emit('connection', socket),
}

function serve(server: net.Server, portOf: (server: net.Server) => number): void {
  const web = http.createServer((_, response) => response.end(`${process.pid}`))
  server.on('connection', (socket) => web.emit('connection', socket))
  tell({ port: portOf(server) })
  process.once('message', () => server.close(() => tell({ isClosed: true })))
}

export function beReceiver(portOf: (server: net.Server) => number): void {
  process.on('message', (message, handle) => {
    if (typeof message !== 'object' || message === null || !('order' in message)) return
    const { order, head } = message as Message
    if (handle instanceof net.Server && order === 'serve') serve(handle, portOf)
    else if (handle instanceof net.Socket && order !== 'serve') withSocket[order](handle, head ?? '')
    else throw new Error(`${order}: got ${String(handle)}`)
  })
  tell({ isReady: true })
}
