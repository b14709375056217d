/** `http2` without TLS, where it meets the handle itself: what comes between two frames, sessions and streams that end early. */
import http2 from 'node:http2'
import net from 'node:net'
import { collect } from './pair.js'
import { closed, HOST, listen, lookupOf, next, record, runCases } from './runner.js'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')
const SETTINGS = 4
const HEADERS = 1
const END_OF_STREAM_AND_HEADERS = 5
/** In HPACK: GET, http, / of the static table, and an authority, `a`. */
const REQUEST = Buffer.from([0x82, 0x86, 0x84, 0x01, 0x01, 0x61])

function frame(type: number, flags: number, stream: number, payload = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header.writeUInt8(type, 3)
  header.writeUInt8(flags, 4)
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, payload])
}

/** A client's first bytes: preface, settings, and a request on each stream. */
function requests(...streams: number[]): Buffer {
  return Buffer.concat([PREFACE, frame(SETTINGS, 0, 0), ...streams.map((id) => frame(HEADERS, END_OF_STREAM_AND_HEADERS, id, REQUEST))])
}

async function between(send: (socket: net.Socket, bytes: Buffer) => Promise<void>): Promise<string[]> {
  const server = http2.createServer()
  const log: string[] = []
  const all = new Promise<void>((resolve) => {
    server.on('stream', (stream: http2.ServerHttp2Stream) => {
      log.push(`stream ${stream.id}`)
      process.nextTick(() => log.push(`tick ${stream.id}`))
      void Promise.resolve().then(() => log.push(`promise ${stream.id}`))
      stream.on('error', () => undefined)
      if (stream.id === 5) setImmediate(resolve)
    })
  })
  const port = await listen(server)
  const socket = net.connect(port, HOST)
  await next(socket, 'connect')
  await send(socket, requests(1, 3, 5))
  await all
  socket.destroy()
  await closed(server)
  return log
}

await runCases({
  'frames that come together: ticks and promises run between them': () => between(async (socket, bytes) => {
    await new Promise((resolve) => socket.write(bytes, resolve))
  }),

  'frames that come byte by byte: ticks and promises run between them': () => between(async (socket, bytes) => {
    for (const byte of bytes) {
      await new Promise((resolve) => socket.write(Buffer.of(byte), resolve))
      await new Promise(setImmediate)
    }
  }),

  'a stream is destroyed in its handler: data, then its end': async () => {
    const server = http2.createServer()
    const log: string[] = []
    server.on('stream', (stream: http2.ServerHttp2Stream) => {
      stream.on('error', (error) => log.push(`server ${error.message}`))
      stream.write('hello')
      stream.destroy(new Error('enough'))
    })
    const port = await listen(server)
    const session = http2.connect(`http://${HOST}:${port}`)
    const stream = session.request()
    record(stream, ['error', 'end'], log, 'client ')
    stream.on('data', (bytes: Buffer) => {
      log.push(`client ${bytes.toString()}`)
      session.destroy()
    })
    await next(session, 'close')
    await closed(server)
    return log.sort()
  },

  'a stream is destroyed behind its answer: the answer comes': async () => {
    const server = http2.createServer()
    server.on('stream', (stream: http2.ServerHttp2Stream) => {
      stream.on('end', () => {
        stream.respond({ ':status': 202 })
        stream.write('part')
        stream.destroy()
      })
      stream.resume()
    })
    const port = await listen(server)
    const session = http2.connect(`http://${HOST}:${port}`)
    const stream = session.request({ ':method': 'POST' })
    stream.resume()
    stream.end()
    const answer = await next(stream, 'response') as http2.IncomingHttpHeaders
    await next(stream, 'close')
    session.close()
    await closed(server)
    return [answer[':status'], stream.rstCode]
  },

  'a session over a name: localhost, one of several addresses, each way an answer': async () => {
    const server = http2.createServer((_, response) => response.end('answer'))
    const port = await listen(server)
    const answers: string[] = []
    for (const [name, addresses] of [['localhost', [HOST]], ['one.example', [HOST]], ['two.example', ['192.0.2.1', HOST]]] as const) {
      const socket = net.connect({ host: name, port, lookup: lookupOf(addresses), autoSelectFamily: true })
      const session = http2.connect('http://a', { createConnection: () => socket })
      const stream = session.request()
      answers.push((await collect(stream)).toString())
      session.close()
      await next(session, 'close')
    }
    await closed(server)
    return answers
  },

  'an upload is answered before it has ended: both sessions close': async () => {
    const server = http2.createServer()
    const closes: Promise<unknown>[] = []
    server.on('stream', (stream: http2.ServerHttp2Stream) => {
      closes.push(next(stream, 'close').then(() => stream.rstCode))
      setImmediate(() => {
        stream.respond({ ':status': 413 })
        stream.end()
      })
    })
    const port = await listen(server)
    const statuses: unknown[] = []
    for (let i = 0; i < 20; i++) {
      const session = http2.connect(`http://${HOST}:${port}`)
      const stream = session.request({ ':method': 'POST' })
      stream.on('response', (headers) => statuses.push(headers[':status']))
      stream.resume()
      for (let sent = 0; sent < 48; sent++) stream.write(Buffer.alloc(1_024, 'u'))
      stream.end()
      await next(stream, 'end')
      session.close()
      await next(session, 'close')
    }
    await closed(server)
    return [statuses, await Promise.all(closes)]
  },

  'a session is destroyed with a code in a handler: both sides hear the code': async () => {
    const server = http2.createServer()
    const log: string[] = []
    const ended = new Promise((resolve) => {
      server.on('session', (session: http2.ServerHttp2Session) => {
        session.on('error', (error) => log.push(`server session ${error.message}`))
        session.on('close', resolve)
      })
    })
    server.on('stream', (stream: http2.ServerHttp2Stream) => {
      stream.on('error', (error) => log.push(`server stream ${error.message} ${stream.rstCode}`))
      // The types lack that a code may stand in the place of an error.
      stream.session?.destroy(http2.constants.NGHTTP2_REFUSED_STREAM as unknown as Error)
    })
    const port = await listen(server)
    const session = http2.connect(`http://${HOST}:${port}`)
    session.on('error', (error: Error) => log.push(`client session ${error.message}`))
    const stream = session.request({ ':path': '/' })
    stream.on('error', (error) => log.push(`client stream ${error.message} ${stream.rstCode}`))
    await next(session, 'close')
    await ended
    await closed(server)
    return log.sort()
  },

  'a stream without a listener for its error: an uncaughtException, and other streams go on': async () => {
    const server = http2.createServer()
    const uncaught = new Promise<string>((resolve) => process.once('uncaughtException', (error) => resolve(error.message)))
    server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
      if (headers[':path'] === '/good') stream.end('good')
      else stream.destroy(new Error('nobody listens'))
    })
    const port = await listen(server)
    const session = http2.connect(`http://${HOST}:${port}`)
    const bad = session.request({ ':path': '/bad' })
    const failed = next(bad, 'error') as Promise<NodeJS.ErrnoException>
    const good = session.request({ ':path': '/good' })
    const body = await next(good, 'data') as Buffer
    const seen = [await uncaught, (await failed).code, body.toString()]
    session.close()
    await closed(server)
    return seen
  },
})
