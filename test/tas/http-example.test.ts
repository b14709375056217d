/** The HTTP example on a connection whose other end is the test. */
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { BUMP_FIN, EVENT_RX_CLOSED, REQ_CONN_CLOSE } from '../../lib/memif/index.js'
import { CONN_RXCLOSED } from '../../lib/tas/index.js'
import { patternContent, textContent } from '../../examples/http/content.js'
import { ChunkReader } from '../../examples/http/chunks.js'
import { HeadReader, HttpError, parseRequest, parseResponse } from '../../examples/http/head.js'
import { HttpSession } from '../../examples/http/session.js'
import { FakeService } from './fakeservice.js'

const BYTES = 3_000

class Client {
  private readonly service = new FakeService()
  private readonly flow
  private readonly session
  private finished = false

  constructor() {
    const { connection, flow } = this.service.connect({ rxLog2: 8, txLog2: 8 })
    this.flow = flow
    this.session = new HttpSession(connection, async (path) => {
      if (path === '/') return textContent('text/html', '<html>')
      return path === '/bytes' ? patternContent(BYTES) : null
    })
  }

  /** Sends `text`, takes what comes back until nothing more does. Returns it. */
  async exchange(text: string, flags = 0): Promise<string> {
    let answer = ''
    let left = text
    for (let idle = 0; idle < 10; idle++) {
      const part = left.slice(0, 100)
      left = left.slice(part.length)
      this.service.receive(this.flow, part, left === '' ? flags : 0)
      this.turn()
      await new Promise((resolve) => setImmediate(resolve))
      for (const bump of this.service.bumps()) {
        answer += this.service.sent(this.flow, this.flow.sndUna, bump.sndEnd)
        this.flow.sndUna = bump.sndEnd
        this.finished ||= (bump.flags & BUMP_FIN) !== 0
        idle = 0
      }
      if (left !== '') idle = 0
    }
    return answer
  }

  private turn(): void {
    const { context, events } = this.service
    const count = context.poll(events)
    for (let i = 0; i < count; i++) if (!events[i].stale) this.session.advance(events[i].type === CONN_RXCLOSED)
    context.flush()
  }

  get finishedSending(): boolean {
    return this.finished
  }

  closeRequest(): Int32Array {
    return this.service.request(REQ_CONN_CLOSE)
  }
}

test('http: GET twice on one connection, pipelined -> two answers in order', async () => {
  const answer = await new Client().exchange('GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n.*<html>HTTP\/1.1 404 Not Found\r\n.*nothing at \/nothing\n$/s)
})

test('http: body larger than the buffers -> complete, hash in the header', async () => {
  const answer = await new Client().exchange('GET /bytes HTTP/1.1\r\nHost: x\r\n\r\n')
  const [head, body] = [answer.slice(0, answer.indexOf('\r\n\r\n')), answer.slice(answer.indexOf('\r\n\r\n') + 4)]
  expect(body).toHaveLength(BYTES)
  expect(head).toContain(createHash('sha256').update(Buffer.from(body, 'latin1')).digest('hex'))
})

test('http: HEAD -> head only', async () => {
  const answer = await new Client().exchange('HEAD /bytes HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(answer).toMatch(/Content-Length: 3000\r\n.*\r\n\r\n$/s)
})

test('http: upload with Expect -> 100, then length and SHA-256', async () => {
  const client = new Client()
  expect(await client.exchange('PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n')).toBe('HTTP/1.1 100 Continue\r\n\r\n')
  const body = 'u'.repeat(1000)
  expect(await client.exchange(body)).toContain(`{"length":1000,"sha256":"${createHash('sha256').update(body).digest('hex')}"}`)
})

test('http: chunked upload, then another request on the connection -> both answered', async () => {
  const client = new Client()
  const head = 'POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n'
  expect(await client.exchange(head)).toBe('HTTP/1.1 100 Continue\r\n\r\n')
  const first = 'a'.repeat(300)
  const chunks = `12c;name=value\r\n${first}\r\n1\r\nb\r\n0\r\nTrailer: x\r\n\r\n`
  const answer = await client.exchange(`${chunks}GET / HTTP/1.1\r\nHost: x\r\n\r\n`)
  expect(answer).toContain(`{"length":301,"sha256":"${createHash('sha256').update(`${first}b`).digest('hex')}"}`)
  expect(answer).toMatch(/<html>$/)
})

test('http chunks: any pieces -> the same body; nothing behind the end is taken', () => {
  const text = '5\r\nhello\r\n00006 ;x\r\n world\r\n0\r\n\r\nrest'
  for (let size = 1; size <= text.length; size++) {
    const reader = new ChunkReader()
    let body = ''
    let at = 0
    while (!reader.done) {
      const { taken, body: part } = reader.take(Buffer.from(text.slice(at, at + size)))
      body += Buffer.from(part).toString()
      at += taken
    }
    expect(body).toBe('hello world')
    expect(text.slice(at)).toBe('rest')
    expect(reader.take(Buffer.from('rest')).taken).toBe(0)
  }
})

test.each(['\r\n', '-1\r\n', '0x5\r\n', '5\n', '2\r\nabc\r\n', 'fffffffffffffff\r\n', `1;${'x'.repeat(5000)}`])('http chunks: %j -> 400', (text) => {
  const reader = new ChunkReader()
  const takeAll = (): void => {
    for (let at = 0; at < text.length;) at += reader.take(Buffer.from(text.slice(at))).taken
  }
  expect(takeAll).toThrow(HttpError)
})

test('http: Connection: close -> FIN behind the answer, closed when the peer has finished', async () => {
  const client = new Client()
  const answer = await client.exchange('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  expect(answer).toContain('Connection: close')
  expect(client.finishedSending).toBe(true)
  await client.exchange('', EVENT_RX_CLOSED)
  client.closeRequest()
})

test.each([
  ['POST / HTTP/1.1\r\nHost: x\r\n\r\n', 411], ['GET / HTTP/1.1\r\n\r\n', 400], ['nonsense\r\n\r\n', 400], ['GET / HTTP/2.0\r\n\r\n', 505],
  ['PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 501], ['DELETE / HTTP/1.1\r\nHost: x\r\n\r\n', 405],
  ['PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n', 400], ['GET / HTTP/1.1\r\nHost: x\r\n folded: x\r\n\r\n', 400],
  ['PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n', 400],
  ['PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
  ['PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n', 400],
  [`GET / HTTP/1.1\r\nHost: ${'x'.repeat(20_000)}`, 431],
])('http: %j -> %d', async (request, status) => {
  expect(await new Client().exchange(request)).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
})

test('http heads: any pieces -> the same head; HTTP/1.0 closes unless asked not to', () => {
  const text = 'GET http://host/a?b HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nrest'
  for (let size = 1; size < text.length; size++) {
    const reader = new HeadReader()
    let head: string | null = null
    let at = 0
    while (head === null) {
      const { taken, text: found } = reader.take(Buffer.from(text.slice(at, at + size)))
      at += taken
      head = found
    }
    expect(text.slice(at)).toBe('rest')
    expect(parseRequest(head)).toEqual({ method: 'GET', path: '/a', keepAlive: true, contentLength: 0, chunked: false, expectsContinue: false })
  }
  expect(parseRequest('GET / HTTP/1.0').keepAlive).toBe(false)
  expect(parseResponse('HTTP/1.1 200 OK\r\nContent-Length: 5')).toEqual({ status: 200, contentLength: 5 })
  expect(() => parseResponse('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked')).toThrow(HttpError)
})
