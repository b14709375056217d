/** `node:tls`, `https` and `http2`. CERTIFICATES names a folder with what test/interpose/certificates.ts makes. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import net from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import { closed, errorOf, HOST, listen, next, record, runCases } from './runner.js'

const folder = process.env['CERTIFICATES'] ?? ''
const pem = (name: string): Buffer => readFileSync(join(folder, `${name}.pem`))
const identity = { key: pem('server-key'), cert: pem('server') }
const client = { key: pem('client-key'), cert: pem('client') }
const trusting = { ca: pem('server'), servername: 'localhost', checkServerIdentity: () => undefined }

async function collect(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(stream, 'end')
  return Buffer.concat(chunks)
}

async function h2(session: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders, body?: Buffer): Promise<[unknown, Buffer]> {
  const stream = session.request(headers)
  const answered = next(stream, 'response')
  if (body === undefined) stream.end()
  else stream.end(body)
  const bytes = await collect(stream)
  const answer = await answered as http2.IncomingHttpHeaders
  return [answer[':status'], bytes]
}

async function h2exchange(server: http2.Http2Server | http2.Http2SecureServer, scheme: 'http' | 'https'): Promise<unknown> {
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    stream.respond({ ':status': 200 })
    if (headers[':method'] === 'POST') stream.pipe(stream)
    else stream.end(headers[':path'])
  })
  const port = await listen(server)
  const session = http2.connect(`${scheme}://${HOST}:${port}`, scheme === 'https' ? trusting : {})
  const large = Buffer.alloc(2_000_000, 'http2')
  const [posted, ...small] = await Promise.all([
    h2(session, { ':method': 'POST', ':path': '/' }, large),
    ...Array.from({ length: 50 }, (_, i) => h2(session, { ':path': `/${i}` })),
  ])
  const pinged = await new Promise((resolve) => session.ping((error) => resolve(error === null)))
  session.close()
  await next(session, 'close')
  await closed(server)
  return [posted[0], posted[1].equals(large), small.every(([status, body], i) => status === 200 && body.toString() === `/${i}`), pinged]
}

/** How many records of TLS stand in `bytes`. */
function recordsIn(bytes: Buffer): number {
  let records = 0
  for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) records++
  return records
}

/** Passes on to `port` what it gets; once told to hold, when there are `count` records, in one piece. */
function relayTo(port: number, count: number): { relay: net.Server; hold(): void } {
  let held: Buffer | null = null
  const relay = net.createServer((near) => {
    const far = net.connect(port, HOST)
    far.pipe(near)
    near.on('data', (bytes: Buffer) => {
      held = held === null ? null : Buffer.concat([held, bytes])
      if (held === null) far.write(bytes)
      else if (recordsIn(held) >= count) far.write(held)
    })
    near.on('end', () => far.end())
  })
  return { relay, hold: () => { held = Buffer.alloc(0) } }
}

await runCases({
  'records that come together: ticks and promises run between them': async () => {
    const log: string[] = []
    const server = tls.createServer(identity, (socket) => {
      socket.on('data', (bytes: Buffer) => {
        log.push(`data ${bytes.toString()}`)
        process.nextTick(() => log.push(`tick ${bytes.toString()}`))
        void Promise.resolve().then(() => log.push(`promise ${bytes.toString()}`))
      })
      socket.write('welcome')
    })
    const port = await listen(server)
    const { relay, hold } = relayTo(port, 3)
    const socket = tls.connect({ port: await listen(relay), host: HOST, ...trusting })
    await next(socket, 'data')
    hold()
    for (const text of ['a', 'b', 'c']) await new Promise((resolve) => socket.write(text, resolve))
    while (log.length < 9) await new Promise(setImmediate)
    socket.destroy()
    await Promise.all([closed(relay), closed(server)])
    return log
  },

  'https client: parts of a body that come in one record: ticks come behind all that the record has': async () => {
    const server = tls.createServer(identity, (socket) => {
      socket.resume().once('data', () => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n'))
    })
    const own = https.createServer(identity, (incoming, response) => {
      incoming.resume().on('end', () => response.end('x'))
    })
    const ask = async (at: number): Promise<string[]> => {
      const log: string[] = []
      const request = https.request({ host: HOST, port: at, method: 'POST', agent: false, ...trusting }, (response) => {
        response.on('data', (bytes: Buffer) => {
          log.push(`data ${bytes.toString()}`)
          process.nextTick(() => log.push(`tick ${bytes.toString()}`))
          void Promise.resolve().then(() => log.push(`promise ${bytes.toString()}`))
        })
      })
      request.end('body')
      await next(request, 'close')
      return log
    }
    const [port, ownPort] = [await listen(server), await listen(own)]
    await ask(ownPort)
    // Parsers are kept for whoever comes next: one of these gets that of the server.
    const logs = await Promise.all([ask(port), ask(port), ask(port)])
    await Promise.all([closed(server), closed(own)])
    return logs
  },

  'records that come together: who waits for one at a time gets each': async () => {
    const seen: string[] = []
    const server = tls.createServer(identity)
    const port = await listen(server)
    const { relay, hold } = relayTo(port, 3)
    const accepted = next(server, 'secureConnection')
    const socket = tls.connect({ port: await listen(relay), host: HOST, ...trusting })
    const far = await accepted as tls.TLSSocket
    far.write('welcome')
    await next(socket, 'data')
    hold()
    const reading = (async () => { while (seen.length < 3) seen.push(String((await once(far, 'data'))[0])) })()
    for (const text of ['a', 'b', 'c']) await new Promise((resolve) => socket.write(text, resolve))
    await reading
    socket.destroy()
    await Promise.all([closed(relay), closed(server)])
    return seen
  },

  'echo: events, names, counts': async () => {
    const log: string[] = []
    const server = tls.createServer(identity, (socket) => socket.pipe(socket))
    const port = await listen(server)
    const socket = tls.connect({ port, host: HOST, ...trusting })
    record(socket, ['connect', 'secureConnect', 'ready', 'end', 'error'], log)
    const data = Buffer.alloc(3_000_000, 'secret ')
    socket.end(data)
    const bytes = await collect(socket)
    const seen = [socket.remoteAddress === HOST, socket.authorized, socket.getProtocol(), bytes.equals(data), socket.encrypted]
    await closed(server)
    return [log, seen]
  },

  'client certificate': async () => {
    const server = tls.createServer({ ...identity, requestCert: true, rejectUnauthorized: false, ca: pem('client') }, (socket) => {
      socket.end(`${socket.authorized} ${socket.getPeerCertificate().subject?.CN ?? 'nobody'}`)
    })
    const port = await listen(server)
    const texts = []
    for (const own of [client, {}]) texts.push((await collect(tls.connect({ port, host: HOST, ...trusting, ...own }))).toString())
    await closed(server)
    return texts
  },

  'ALPN and SNI': async () => {
    const server = tls.createServer({ ...identity, ALPNProtocols: ['b', 'a'] }, (socket) => {
      socket.end(`${String(socket.alpnProtocol)} ${String((socket as { servername?: string }).servername)}`)
    })
    const port = await listen(server)
    const socket = tls.connect({ port, host: HOST, ...trusting, ALPNProtocols: ['a', 'b'] })
    const text = (await collect(socket)).toString()
    await closed(server)
    return [text, socket.alpnProtocol]
  },

  'session resumption': async () => {
    const server = tls.createServer({ ...identity, maxVersion: 'TLSv1.2' }, (socket) => socket.end(String(socket.isSessionReused())))
    const port = await listen(server)
    const texts = []
    let session: Buffer | undefined
    for (let i = 0; i < 2; i++) {
      const socket = tls.connect({ port, host: HOST, ...trusting, ...(session === undefined ? {} : { session }) })
      socket.on('session', (ticket: Buffer) => { session = ticket })
      texts.push((await collect(socket)).toString())
    }
    await closed(server)
    return texts
  },

  'an untrusted server': async () => {
    const server = tls.createServer(identity, (socket) => socket.on('error', () => undefined))
    server.on('tlsClientError', () => undefined)
    const port = await listen(server)
    const error = errorOf(await next(tls.connect({ port, host: HOST }), 'error'))
    await closed(server)
    return error
  },

  'STARTTLS on a socket that is open': async () => {
    const server = net.createServer((socket) => {
      socket.once('data', () => {
        socket.write('go on')
        new tls.TLSSocket(socket, { isServer: true, ...identity }).on('data', (bytes: Buffer) => socket.emit('secret', bytes))
          .end('hidden answer')
      })
    })
    const port = await listen(server)
    const socket = net.connect(port, HOST)
    socket.write('STARTTLS')
    const go = String(await next(socket, 'data'))
    const secure = tls.connect({ socket, ...trusting })
    secure.write('hidden question')
    const text = (await collect(secure)).toString()
    secure.end()
    await closed(server)
    return [go, text]
  },

  'refused, and reset in the handshake': async () => {
    const server = net.createServer((socket) => socket.once('data', () => socket.resetAndDestroy()))
    const port = await listen(server)
    const reset = errorOf(await next(tls.connect({ port, host: HOST, ...trusting }), 'error'))
    await closed(server)
    const refused = errorOf(await next(tls.connect({ port, host: HOST, ...trusting }), 'error'))
    return [reset, refused]
  },

  'reset of an open connection': async () => {
    const server = tls.createServer(identity, (socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => (socket as unknown as { _parent?: net.Socket })._parent?.resetAndDestroy() ?? socket.resetAndDestroy())
    })
    const port = await listen(server)
    const socket = tls.connect({ port, host: HOST, ...trusting })
    socket.resume().write('x')
    const error = errorOf(await next(socket, 'error'))
    await closed(server)
    return [error['code']]
  },

  'localhost by name': async () => {
    const server = tls.createServer(identity, (socket) => socket.end('local'))
    const port = await listen(server)
    const text = (await collect(tls.connect({ port, host: 'localhost', ca: pem('server') }))).toString()
    await closed(server)
    return text
  },

  'https with keep-alive': async () => {
    let connections = 0
    const server = https.createServer(identity, (incoming, response) => response.end(`secure ${incoming.url}`))
    server.on('secureConnection', () => { connections++ })
    const port = await listen(server)
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ...trusting })
    const bodies = []
    for (let i = 0; i < 5; i++) {
      const response = await next(https.get({ host: HOST, port, agent, path: `/${i}` }), 'response') as NodeJS.ReadableStream
      bodies.push((await collect(response)).toString())
    }
    agent.destroy()
    await closed(server)
    return [bodies, connections]
  },

  'http2 without TLS': () => h2exchange(http2.createServer(), 'http'),

  'http2 over TLS': () => h2exchange(http2.createSecureServer(identity), 'https'),

  'http2: a stream is destroyed while the server reads its body: both sessions close': async () => {
    const server = http2.createSecureServer({ ...identity, maxSessionMemory: 1 })
    const port = await listen(server)
    const client = http2.connect(`https://${HOST}:${port}`, { ...trusting, maxSessionMemory: 1 })
    const stream = client.request({ ':method': 'POST' })
    server.on('session', (session: http2.ServerHttp2Session) => {
      session.on('stream', (incoming: http2.ServerHttp2Stream) => {
        incoming.on('data', () => {
          incoming.write(Buffer.alloc(1))
          process.nextTick(() => stream.destroy())
        })
      })
    })
    stream.resume()
    stream.write(Buffer.alloc(64 * 1024))
    await next(stream, 'close')
    client.close()
    await Promise.all([closed(server), next(client, 'close')])
    return client.destroyed
  },

  'http2: the server ends the session': async () => {
    const server = http2.createServer()
    const log: string[] = []
    server.on('stream', (stream: http2.ServerHttp2Stream) => {
      stream.respond()
      stream.end('last')
      stream.session?.close()
    })
    const port = await listen(server)
    const session = http2.connect(`http://${HOST}:${port}`)
    session.on('goaway', (code: number) => log.push(`goaway ${code}`))
    const gone = next(session, 'close')
    const [status, body] = await h2(session, { ':path': '/' })
    await gone
    await closed(server)
    return [log[0], status, body.toString()]
  },

  'http2: the server destroys the session': async () => {
    const server = http2.createServer()
    server.on('session', (session: http2.ServerHttp2Session) => session.on('error', () => undefined))
    server.on('stream', (stream: http2.ServerHttp2Stream) => {
      stream.on('error', () => undefined)
      stream.session?.destroy()
    })
    const port = await listen(server)
    const session = http2.connect(`http://${HOST}:${port}`)
    const stream = session.request({ ':path': '/' })
    const log: string[] = []
    stream.on('error', (error: NodeJS.ErrnoException) => log.push(String(error.code)))
    session.on('error', (error: NodeJS.ErrnoException) => log.push(String(error.code)))
    await next(session, 'close')
    await closed(server)
    return log.length > 0 || stream.destroyed
  },
})
