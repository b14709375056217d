/** The benchmark's server on Bun, by its own sockets: what they do not take is sent when they drain. */
import { BACKLOG, parseServer, PORT_ECHO, PORT_SINK, PORT_SOURCE } from './ports.js'

interface BunSocket {
  data: Uint8Array | null
  /** Returns how many bytes were taken; -1 if the connection is over. */
  write(bytes: Uint8Array): number
  setNoDelay(on: boolean): boolean
}

interface BunHandlers {
  open(socket: BunSocket): void
  data(socket: BunSocket, bytes: Uint8Array): void
  drain(socket: BunSocket): void
  error(socket: BunSocket): void
}

/** What is used of Bun's interface (https://bun.sh/docs/api/tcp). */
declare const Bun: {
  listen(options: { hostname: string; port: number; backlog: number; socket: BunHandlers }): unknown
}

const { port, callBytes } = parseServer()
const bytes = new Uint8Array(callBytes)

/** Sends what it can and keeps the rest, a copy: what Bun hands over is its own. */
function send(socket: BunSocket, data: Uint8Array): void {
  const sent = Math.max(0, socket.write(data))
  socket.data = sent < data.length ? data.slice(sent) : null
}

function echo(socket: BunSocket, data: Uint8Array): void {
  if (socket.data === null) send(socket, data)
  else socket.data = Buffer.concat([socket.data, data])
}

/** As long as whole calls are taken; the next drain goes on. */
function fill(socket: BunSocket): void {
  while (socket.write(bytes) === bytes.length);
}

function nothing(): void {}

const roles: ReadonlyArray<readonly [number, Pick<BunHandlers, 'data' | 'drain'>, (socket: BunSocket) => void]> = [
  [PORT_ECHO, { data: echo, drain: (socket) => { if (socket.data !== null) send(socket, socket.data) } }, nothing],
  [PORT_SOURCE, { data: nothing, drain: fill }, fill],
  [PORT_SINK, { data: nothing, drain: nothing }, nothing],
]
for (const [offset, handlers, begin] of roles) {
  const open = (socket: BunSocket): void => {
    socket.data = null
    socket.setNoDelay(true)
    begin(socket)
  }
  Bun.listen({ hostname: '0.0.0.0', port: port + offset, backlog: BACKLOG, socket: { ...handlers, open, error: nothing } })
}
console.log('ready')
