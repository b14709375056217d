/**
 * TLS over a socket whose handle changes beneath it: a name turns out to be TAS's or the kernel's, or Node has made the handle itself.
 * CERTIFICATES names a folder with what test/interpose/certificates.ts makes.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import { closed, errorOf, HOST, listen, next, record, runCases } from './runner.js'

const folder = process.env['CERTIFICATES'] ?? ''
const pem = (name: string): Buffer => readFileSync(join(folder, `${name}.pem`))
/** One session for each connection, before it is open: in TLS 1.3 they come later, as many as the server likes. */
const identity = { key: pem('server-key'), cert: pem('server'), maxVersion: 'TLSv1.2' } as const
const trusting = { ca: pem('server'), servername: 'localhost', checkServerIdentity: () => undefined }
const EVENTS = ['connect', 'secureConnect', 'session', 'end', 'error', 'close']

interface Way {
  readonly host: string
  readonly lookup?: net.LookupFunction
}

/** A name that is resolved to `address` when the event loop comes round. */
function named(address: string): Way {
  return {
    host: 'some.name',
    lookup: (_, { all }, done) => {
      setImmediate(() => (all === true ? done(null, [{ address, family: 4 }]) : done(null, address, 4)))
    },
  }
}

const ways: readonly Way[] = [{ host: HOST }, named(HOST), named('127.0.0.1')]

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  stream.on('data', (bytes: Buffer) => { text += bytes.toString() })
  await once(stream, 'end')
  return text
}

/** Does `run` for each way to a server, one after the other. */
async function byEachWay(server: net.Server, run: (to: Way & { readonly port: number }) => Promise<unknown>): Promise<unknown[]> {
  const port = await listen(server)
  const seen = []
  for (const way of ways) seen.push(await run({ ...way, port }))
  await closed(server)
  return seen
}

/** A server that tells whether the session was resumed. */
function greeter(): tls.Server {
  return tls.createServer(identity, (socket) => socket.end(`hello ${socket.isSessionReused()}`))
}

/** Both ways between two sockets, until one of them is closed. */
function couple(one: net.Socket, other: net.Socket): void {
  for (const [from, to] of [[one, other], [other, one]] as const) {
    from.pipe(to)
    from.on('error', () => undefined)
    from.on('close', () => to.destroy())
  }
}

/** Hands what it receives under TLS on to `port`. */
function proxyTo(port: number, onConnection: (socket: tls.TLSSocket) => void = () => undefined): tls.Server {
  return tls.createServer(identity, (socket) => {
    couple(socket, net.connect(port, HOST))
    onConnection(socket)
  })
}

/** The most bytes in a record of application data (RFC 5246, 6.2.1). */
function largestRecord(stream: Buffer): number {
  let largest = 0
  for (let at = 0; at + 5 <= stream.length; at += 5 + stream.readUInt16BE(at + 3)) {
    if (stream[at] === 23) largest = Math.max(largest, stream.readUInt16BE(at + 3))
  }
  return largest
}

await runCases({
  // Stays the first: Node makes the handle of the program's first TLS client itself.
  'first client: local address, session': async () => {
    const server = greeter()
    const port = await listen(server)
    const options: tls.ConnectionOptions & net.TcpNetConnectOpts = { port, host: HOST, localAddress: HOST, ...trusting }
    const socket = tls.connect(options)
    const log: string[] = []
    record(socket, EVENTS, log)
    const gone = next(socket, 'close')
    const text = await textOf(socket)
    await gone
    await closed(server)
    return [log, text]
  },

  'a session is told, and resumed': () => byEachWay(greeter(), async (to) => {
    let session: Buffer | undefined
    const first = tls.connect({ ...to, ...trusting })
    first.on('session', (told: Buffer) => { session = told })
    const text = await textOf(first)
    return [text, session !== undefined, await textOf(tls.connect({ ...to, ...trusting, ...(session === undefined ? {} : { session }) }))]
  }),

  'size of records, set before the connection': async () => {
    const server = tls.createServer(identity, (socket) => {
      socket.on('data', () => socket.bytesRead === 5000 && socket.end('thanks'))
    })
    const port = await listen(server)
    let stream: Buffer[] = []
    const seen = await byEachWay(net.createServer((socket) => {
      socket.on('data', (bytes: Buffer) => stream.push(bytes))
      couple(socket, net.connect(port, HOST))
    }), async (to) => {
      stream = []
      const socket = tls.connect({ ...to, ...trusting })
      socket.setMaxSendFragment(600)
      socket.write(Buffer.alloc(5000))
      const text = await textOf(socket)
      const size = largestRecord(Buffer.concat(stream))
      return [text, size > 600 && size < 700]
    })
    await closed(server)
    return seen
  },

  'over a socket that is still connecting': () => byEachWay(greeter(), async (to) => {
    const socket = net.connect(to)
    const secure = tls.connect({ socket, ...trusting })
    const log: string[] = []
    record(secure, EVENTS, log)
    const gone = next(secure, 'close')
    const text = await textOf(secure)
    await gone
    return [log, text, socket.destroyed]
  }),

  'STARTTLS asked for before the socket is connected': () => {
    const server = net.createServer((socket) => {
      socket.once('data', (bytes: Buffer) => {
        socket.pause()
        socket.unshift(bytes.subarray('STARTTLS'.length))
        const secure = new tls.TLSSocket(socket, { isServer: true, ...identity })
        secure.on('data', (question: Buffer) => secure.end(`${bytes.toString('latin1', 0, 8)} ${question}`))
      })
    })
    return byEachWay(server, async (to) => {
      const socket = net.connect(to)
      const written = new Promise((resolve) => socket.write('STARTTLS', resolve))
      const secure = tls.connect({ socket, ...trusting })
      secure.write('question')
      const text = await textOf(secure)
      return [text, await written ?? null]
    })
  },

  'destroyed while the socket beneath connects': () => byEachWay(tls.createServer(identity), async (to) => {
    const seen = []
    for (const isEarly of [true, false]) {
      const socket = net.connect(to)
      const secure = tls.connect({ socket, ...trusting })
      const log: string[] = []
      record(secure, EVENTS, log)
      const gone = Promise.all([next(secure, 'close'), next(socket, 'close')])
      if (isEarly) secure.destroy()
      else socket.prependOnceListener('connect', () => secure.destroy())
      await gone
      seen.push(log)
    }
    return seen
  }),

  // What becomes of such a connection is left open.
  'two TLS sockets over one, by mistake': () => byEachWay(greeter(), async (to) => {
    const socket = net.connect(to)
    const both = [1, 2].map(() => tls.connect({ socket, ...trusting }).on('error', () => undefined))
    await Promise.all(both.map((one) => next(one, 'connect')))
    const gone = Promise.all([...both, socket].map((one) => next(one, 'close')))
    socket.destroy()
    await gone
    return both.every((one) => one.destroyed)
  }),

  'TLS within TLS': async () => {
    const server = greeter()
    const port = await listen(server)
    const seen = await byEachWay(proxyTo(port), async (to) => {
      const socket = tls.connect({ ...to, ...trusting })
      const secure = tls.connect({ socket, ...trusting })
      const log: string[] = []
      record(socket, ['connect', 'secureConnect'], log, 'beneath: ')
      record(secure, EVENTS, log)
      const text = await textOf(secure)
      socket.destroy()
      return [log, text]
    })
    await closed(server)
    return seen
  },

  'TLS within TLS over a socket that is still connecting': async () => {
    const server = greeter()
    const port = await listen(server)
    const seen = await byEachWay(proxyTo(port), async (to) => {
      const socket = tls.connect({ socket: net.connect(to), ...trusting })
      const text = await textOf(tls.connect({ socket, ...trusting }))
      socket.destroy()
      return text
    })
    await closed(server)
    return seen
  },

  'reset of TLS within TLS': async () => {
    const server = tls.createServer(identity, (socket) => socket.on('error', () => undefined).write('x'))
    const port = await listen(server)
    let accepted: tls.TLSSocket | undefined
    const seen = await byEachWay(proxyTo(port, (socket) => { accepted = socket }), async (to) => {
      const socket = tls.connect({ ...to, ...trusting })
      const secure = tls.connect({ socket, ...trusting })
      const errors: unknown[] = []
      socket.on('error', (error) => errors.push('beneath', errorOf(error)))
      secure.on('error', (error) => errors.push(errorOf(error)))
      await next(secure, 'data')
      const parent = Reflect.get(accepted ?? {}, '_parent') as net.Socket | undefined
      parent?.resetAndDestroy()
      await next(secure, 'close')
      return errors
    })
    await closed(server)
    return seen
  },
})
