/** `node:http` and fetch: servers and clients, over keep-alive and beyond. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { pair } from './pair.js'
import { closed, errorOf, HOST, listen, next, record, runCases } from './runner.js'

/** HTTPParser of Node's inside. */
interface ParserClass {
  readonly REQUEST: number
  readonly kOnHeadersComplete: number
  new (): {
    [callback: number]: (...args: readonly unknown[]) => void
    initialize(kind: number, resource: object): void
    consume(handle: unknown): void
    unconsume(): void
  }
}

interface Answer {
  readonly status: number | undefined
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

async function bodyOf(message: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

async function request(options: http.RequestOptions, body?: string): Promise<Answer> {
  const outgoing = http.request({ host: HOST, ...options })
  outgoing.end(body)
  const [response] = await Promise.all([next(outgoing, 'response')])
  const message = response as http.IncomingMessage
  return { status: message.statusCode, headers: withoutDate(message.headers), body: await bodyOf(message) }
}

function withoutDate({ date: _, ...headers }: http.IncomingHttpHeaders): http.IncomingHttpHeaders {
  return headers
}

/** A raw connection: what is sent comes back as text when the server closes. */
async function raw(port: number, text: string): Promise<string> {
  const { connect } = await import('node:net')
  const socket = connect(port, HOST)
  socket.write(text)
  const chunks: Buffer[] = []
  socket.on('data', (bytes: Buffer) => chunks.push(bytes))
  await next(socket, 'close')
  return Buffer.concat(chunks).toString().replaceAll(/Date: [^\r]*/g, 'Date:')
}

await runCases({
  'keep-alive: several requests on one connection': async () => {
    let connections = 0
    const server = http.createServer((incoming, response) => response.end(`hello ${incoming.url}`))
    server.on('connection', () => { connections++ })
    const port = await listen(server)
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const answers = []
    for (let i = 0; i < 20; i++) answers.push(await request({ port, agent, path: `/${i}` }))
    agent.destroy()
    await closed(server)
    return [answers, connections]
  },

  'keep-alive: bytes that nobody asked for, on a connection that waits, end it': async () => {
    const servers: net.Socket[] = []
    const server = http.createServer((incoming, response) => response.end(`hello ${incoming.url}`))
    server.on('connection', (socket) => servers.push(socket))
    const port = await listen(server)
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const isFree = next(agent, 'free') as Promise<net.Socket>
    const answers = [await request({ port, agent, path: '/1' })]
    const client = await isFree
    // Node 20 does not look.
    const isGuarded = String(Reflect.get(Reflect.get(client, '_handle') as object, 'onread')).includes('FREE socket')
    if (isGuarded) {
      const isClosed = next(client, 'close')
      servers[0].write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong')
      await isClosed
    }
    answers.push(await request({ port, agent, path: '/2' }))
    agent.destroy()
    await closed(server)
    return [isGuarded, answers, servers.length]
  },

  'large bodies both ways, chunked': async () => {
    const server = http.createServer((incoming, response) => incoming.pipe(response))
    const port = await listen(server)
    const body = 'chunk '.repeat(500_000)
    const answer = await request({ port, method: 'POST' }, body)
    await closed(server)
    return [answer.status, answer.headers, answer.body === body]
  },

  'many small chunks': async () => {
    const server = http.createServer(async (_incoming, response) => {
      for (let i = 0; i < 50; i++) {
        response.write(`${i},`)
        if (i % 10 === 0) await sleep(1)
      }
      response.end()
    })
    const port = await listen(server)
    const answer = await request({ port })
    await closed(server)
    return answer
  },

  'pipelining': async () => {
    const server = http.createServer((incoming, response) => {
      setTimeout(() => response.end(incoming.url), incoming.url === '/slow' ? 50 : 0)
    })
    const port = await listen(server)
    const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`
    const text = await raw(port, get('/slow') + get('/b') + get('/c', 'Connection: close\r\n'))
    await closed(server)
    return text
  },

  'a bad request': async () => {
    const server = http.createServer()
    const port = await listen(server)
    const text = await raw(port, 'NONSENSE\r\n\r\n')
    await closed(server)
    return text
  },

  'parts of a body that come together: who waits for one at a time gets each': async () => {
    const seen: string[] = []
    const server = http.createServer()
    const port = await listen(server)
    const requested = once(server, 'request')
    const socket = net.connect(port, HOST).resume()
    socket.write('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
    const [incoming, response] = await requested as [http.IncomingMessage, http.ServerResponse]
    const reading = (async () => { while (seen.length < 3) seen.push(String((await once(incoming, 'data'))[0])) })()
    socket.write('1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n')
    await reading
    response.end('x')
    socket.end()
    await next(socket, 'close')
    await closed(server)
    return seen
  },

  'a request whose handler goes on in a promise, with a body in the same read: order of ticks, parts and end': async () => {
    const log: string[] = []
    const server = http.createServer((incoming, response) => {
      log.push('request')
      process.nextTick(() => log.push('tick of the request'))
      incoming.on('data', (bytes: Buffer) => {
        log.push(`data ${bytes.toString()}`)
        process.nextTick(() => log.push(`tick ${bytes.toString()}`))
        void Promise.resolve().then(() => log.push(`promise ${bytes.toString()}`))
      })
      incoming.on('end', () => {
        log.push('end')
        response.end('x')
      })
    })
    const port = await listen(server)
    const answer = await raw(port, 'POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n')
    await closed(server)
    return [log, answer.startsWith('HTTP/1.1 200')]
  },

  'a parser that the program makes consumes the handle of a socket': async () => {
    const { HTTPParser } = process.getBuiltinModule('_http_common') as unknown as { HTTPParser: ParserClass }
    const { server, near, far } = await pair()
    const parser = new HTTPParser()
    parser.initialize(HTTPParser.REQUEST, {})
    const path = new Promise((resolve) => {
      parser[HTTPParser.kOnHeadersComplete] = (...args) => resolve(args[4])
    })
    parser.consume(Reflect.get(far, '_handle'))
    far.resume()
    near.write('GET /path HTTP/1.1\r\nhost: x\r\n\r\n')
    const seen = await path
    parser.unconsume()
    far.on('data', () => undefined)
    near.write('other')
    const bytes = await next(far, 'data') as Buffer
    for (const socket of [near, far]) socket.destroy()
    await closed(server)
    return [seen, bytes.toString()]
  },

  'upgrade': async () => {
    const server = http.createServer()
    server.on('upgrade', (_request: http.IncomingMessage, socket: net.Socket, head: Buffer) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
      socket.write(head)
      socket.pipe(socket)
    })
    const port = await listen(server)
    const outgoing = http.request({ port, host: HOST, headers: { Connection: 'Upgrade', Upgrade: 'echo' } })
    outgoing.end()
    const [response, socket] = await new Promise<[http.IncomingMessage, net.Socket]>((resolve) => {
      outgoing.once('upgrade', (message, stream) => resolve([message, stream as net.Socket]))
    })
    let text = ''
    socket.on('data', (bytes: Buffer) => { text += bytes.toString() })
    socket.write('after ')
    await sleep(20)
    socket.end('upgrade')
    await next(socket, 'close')
    await closed(server)
    return [response.statusCode, text]
  },

  'CONNECT': async () => {
    const server = http.createServer()
    server.on('connect', (incoming: http.IncomingMessage, socket: net.Socket) => {
      socket.end(`HTTP/1.1 200 OK\r\n\r\ntunnel to ${incoming.url}`)
    })
    const port = await listen(server)
    const outgoing = http.request({ port, host: HOST, method: 'CONNECT', path: 'there:443' })
    outgoing.end()
    const text = await new Promise((resolve) => {
      outgoing.once('connect', (_response, socket, head) => {
        let got = head.toString()
        socket.on('data', (bytes: Buffer) => { got += bytes.toString() })
        socket.on('end', () => resolve(got))
      })
    })
    await closed(server)
    return text
  },

  'Expect: 100-continue': async () => {
    const log: string[] = []
    const server = http.createServer((incoming, response) => {
      incoming.resume().on('end', () => response.end('done'))
    })
    server.on('checkContinue', (incoming: http.IncomingMessage, response: http.ServerResponse) => {
      log.push('checkContinue')
      response.writeContinue()
      server.emit('request', incoming, response)
    })
    const port = await listen(server)
    const outgoing = http.request({ port, host: HOST, method: 'POST', headers: { Expect: '100-continue' } })
    outgoing.on('continue', () => {
      log.push('continue')
      outgoing.end('the body')
    })
    outgoing.flushHeaders()
    const response = await next(outgoing, 'response') as http.IncomingMessage
    const body = await bodyOf(response)
    await closed(server)
    return [log, body]
  },

  'client goes away while the server answers': async () => {
    const log: string[] = []
    let finished: (value: unknown) => void = () => undefined
    const done = new Promise((resolve) => { finished = resolve })
    const server = http.createServer((incoming, response) => {
      record(incoming, ['aborted'], log, 'request ')
      response.on('close', () => {
        log.push(`response close ${response.writableFinished}`)
        finished(null)
      })
      response.write('part')
    })
    const port = await listen(server)
    const outgoing = http.get({ port, host: HOST })
    const response = await next(outgoing, 'response') as http.IncomingMessage
    response.once('data', () => response.destroy())
    await done
    await closed(server)
    return log
  },

  'server goes away: socket hang up': async () => {
    const server = http.createServer((incoming) => incoming.socket.destroy())
    const port = await listen(server)
    const outgoing = http.get({ port, host: HOST })
    const seen = errorOf(await next(outgoing, 'error'))
    await closed(server)
    return seen
  },

  'refused': async () => {
    const server = http.createServer()
    const port = await listen(server)
    await closed(server)
    return errorOf(await next(http.get({ port, host: HOST }), 'error'))
  },

  'timeouts of requests and of keep-alive': async () => {
    const server = http.createServer((incoming, response) => { if (incoming.url !== '/never') response.end('x') })
    server.keepAliveTimeout = 100
    const port = await listen(server)
    const outgoing = http.get({ port, host: HOST, path: '/never', timeout: 50 })
    await next(outgoing, 'timeout')
    outgoing.destroy()
    const error = errorOf(await next(outgoing, 'error'))
    const text = await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    server.closeAllConnections()
    await closed(server)
    return [error, text]
  },

  'requests in parallel': async () => {
    const server = http.createServer((incoming, response) => response.end(incoming.url))
    const port = await listen(server)
    const bodies = await Promise.all(Array.from({ length: 100 }, async (_, i) => (await request({ port, path: `/${i}` })).body))
    await closed(server)
    return bodies.every((body, i) => body === `/${i}`)
  },

  'fetch': async () => {
    const server = http.createServer((incoming, response) => {
      response.setHeader('content-type', 'application/json')
      let body = ''
      incoming.on('data', (bytes: Buffer) => { body += bytes.toString() })
      incoming.on('end', () => response.end(JSON.stringify({ method: incoming.method, body })))
    })
    const port = await listen(server)
    const answers = []
    for (let i = 0; i < 3; i++) {
      const response = await fetch(`http://${HOST}:${port}/`, { method: 'POST', body: `body ${i}` })
      answers.push([response.status, await response.json()])
    }
    const refused = await fetch('http://127.0.0.1:1/').catch((error: unknown) => (error as { cause?: { code?: string } }).cause?.code)
    server.closeAllConnections()
    await closed(server)
    return [answers, refused]
  },

  'fetch is aborted': async () => {
    const server = http.createServer((_incoming, response) => response.write('part'))
    const port = await listen(server)
    const abort = new AbortController()
    const response = await fetch(`http://${HOST}:${port}/`, { signal: abort.signal })
    const body = response.text().catch((error: unknown) => (error as Error).name)
    abort.abort()
    const seen = await body
    server.closeAllConnections()
    await closed(server)
    assert.equal(response.status, 200)
    return seen
  },
})
