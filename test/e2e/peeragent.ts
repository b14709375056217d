/** Runs in the peer's namespace and does with the Linux kernel's TCP what tests ask for. */
import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { PeerAnswer, PeerCalls, PeerRequest } from './peerprotocol.js'
import { Random } from './seeded.js'

const CHUNK_BYTES = 65_536

/** A kernel socket that is read only on demand. */
class PeerSocket {
  readonly socket: Socket
  private readonly gone: Promise<string>
  private error = ''

  constructor(socket: Socket) {
    this.socket = socket
    socket.pause()
    socket.on('error', (error: NodeJS.ErrnoException) => { this.error = error.code ?? error.message })
    this.gone = new Promise(resolve => socket.once('close', () => resolve(this.error)))
  }

  /** The next bytes, at most `max`. Throws Error with the code that ended the connection, or EOF. */
  private async some(max: number): Promise<Buffer> {
    for (;;) {
      const bytes = this.socket.read(Math.min(max, this.socket.readableLength || max)) as Buffer | null
      if (bytes !== null) return bytes
      if (this.error !== '') throw coded(this.error)
      if (this.socket.readableEnded || this.socket.destroyed) throw coded('EOF')
      await this.change()
    }
  }

  private change(): Promise<void> {
    return new Promise(resolve => {
      const events = ['readable', 'end', 'close'] as const
      const done = (): void => {
        for (const event of events) this.socket.off(event, done)
        resolve()
      }
      for (const event of events) this.socket.on(event, done)
    })
  }

  async take(len: number, each: (bytes: Buffer) => void): Promise<void> {
    for (let left = len; left > 0;) {
      const bytes = await this.some(Math.min(left, CHUNK_BYTES))
      each(bytes)
      left -= bytes.length
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.socket.write(bytes, error => (error ? reject(error) : resolve()))
    })
  }

  async ended(): Promise<void> {
    this.socket.resume()
    if (!this.socket.readableEnded) await once(this.socket, 'end')
  }

  closed(): Promise<string> {
    this.socket.resume()
    return this.gone
  }
}

function coded(code: string): Error {
  return Object.assign(new Error(code), { code })
}

const sockets: PeerSocket[] = []
const waiting = new Map<number, Socket[]>()
const arrivals = new Map<number, Array<(socket: Socket) => void>>()

function enter(socket: Socket): number {
  return sockets.push(new PeerSocket(socket)) - 1
}

function arrived(port: number, socket: Socket): void {
  const next = arrivals.get(port)?.shift()
  if (next !== undefined) next(socket)
  else waiting.get(port)?.push(socket)
}

type Handlers = { readonly [Op in keyof PeerCalls]: (...args: Parameters<PeerCalls[Op]>) => Promise<ReturnType<PeerCalls[Op]>> }

const HANDLERS: Handlers = {
  async listen(wanted) {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, socket => arrived(port, socket))
    server.listen(wanted)
    await once(server, 'listening')
    const port = (server.address() as { port: number }).port
    waiting.set(port, [])
    arrivals.set(port, [])
    return port
  },
  async accept(port) {
    const there = waiting.get(port)?.shift()
    return enter(there ?? await new Promise<Socket>(resolve => arrivals.get(port)?.push(resolve)))
  },
  async connect(address, port) {
    const socket = connect({ host: address, port, allowHalfOpen: true })
    await once(socket, 'connect')
    return enter(socket)
  },
  write: (socket, bytes) => sockets[socket].write(bytes),
  async read(socket, len) {
    const parts: Buffer[] = []
    await sockets[socket].take(len, bytes => parts.push(bytes))
    return Buffer.concat(parts)
  },
  async sendRandom(socket, len, seed) {
    const random = new Random(seed)
    const hash = createHash('sha256')
    for (let left = len; left > 0;) {
      const bytes = random.bytes(Math.min(left, CHUNK_BYTES))
      hash.update(bytes)
      await sockets[socket].write(bytes)
      left -= bytes.length
    }
    return hash.digest('hex')
  },
  async readHash(socket, len) {
    const hash = createHash('sha256')
    await sockets[socket].take(len, bytes => { hash.update(bytes) })
    return hash.digest('hex')
  },
  async end(socket) { sockets[socket].socket.end() },
  async reset(socket) { sockets[socket].socket.resetAndDestroy() },
  ended: socket => sockets[socket].ended(),
  closed: socket => sockets[socket].closed(),
  async udpEcho() {
    const echo = createSocket('udp4', (bytes, from) => echo.send(bytes, from.port, from.address))
    echo.bind(0)
    await once(echo, 'listening')
    return echo.address().port
  },
  async udpExchange(address, port, bytes) {
    const socket = createSocket('udp4')
    try {
      const answered = once(socket, 'message')
      socket.send(bytes, port, address)
      return (await answered)[0] as Buffer
    } finally {
      socket.close()
    }
  },
  unsent: async socket => sockets[socket].socket.writableLength,
}

async function answer({ id, op, args }: PeerRequest): Promise<PeerAnswer> {
  try {
    const handler = HANDLERS[op] as (...args: readonly unknown[]) => Promise<unknown>
    return { id, value: await handler(...args) }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return { id, code: code ?? 'ERROR', message }
  }
}

process.on('message', (request: PeerRequest) => {
  void answer(request).then(result => process.send?.(result))
})
process.on('disconnect', () => process.exit(0))
