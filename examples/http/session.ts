/** One HTTP/1.1 connection of the server: requests one after the other, bodies straight from and to TAS's buffers. */
import { createHash, type Hash } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Connection } from 'tasjs'
import { ChunkReader } from './chunks.js'
import { textContent, type Content } from './content.js'
import { HeadReader, HttpError, parseRequest, type RequestHead } from './head.js'

/** Finds what is at `path`, or null. */
export type Finder = (path: string) => Promise<Content | null>

/** How long a client may take to finish after the last answer. */
const LINGER_MS = 5_000

type Phase = 'head' | 'upload' | 'finding' | 'answer' | 'lingering'

interface Answer {
  readonly content: Content
  /** Bytes of the body to send: 0 for HEAD. */
  readonly bodyBytes: number
}

function plainBody(bytes: Uint8Array, left: number): { taken: number; body: Uint8Array } {
  const body = bytes.subarray(0, left)
  return { taken: body.length, body }
}

export class HttpSession {
  private readonly connection: Connection
  private readonly find: Finder
  private readonly reader = new HeadReader()
  private phase: Phase = 'head'
  private request: RequestHead | null = null
  private hash: Hash | null = null
  /** Of a body in chunks. */
  private chunks: ChunkReader | null = null
  private uploaded = 0
  private answer: Answer | null = null
  private head: Uint8Array = new Uint8Array(0)
  private headSent = 0
  private bodySent = 0
  private keepAlive = true
  private peerFinished = false

  constructor(connection: Connection, find: Finder) {
    this.connection = connection
    this.find = find
  }

  /** Data or room has come, or the peer has finished. */
  advance(peerFinished = false): void {
    this.peerFinished ||= peerFinished
    try {
      while (this.step());
    } catch (error) {
      if (error instanceof HttpError) {
        this.fail(error)
        this.advance()
        return
      }
      console.error(error)
      this.connection.abort()
    }
  }

  /** One step. Returns whether another one may be possible. */
  private step(): boolean {
    if (this.connection.state !== 'open') return false
    if (this.headSent < this.head.length) return this.sendHead()
    switch (this.phase) {
      case 'head': return this.readHead()
      case 'upload': return this.readUpload()
      case 'answer': return this.sendBody()
      case 'lingering': return this.linger()
      case 'finding': return false
    }
  }

  private readHead(): boolean {
    if (this.connection.rxAvailable === 0) {
      if (this.peerFinished) this.connection.close()
      return false
    }
    const { taken, text } = this.reader.take(this.received())
    this.connection.rxDone(taken)
    if (text !== null) this.begin(parseRequest(text))
    return true
  }

  /** The received bytes up to the end of the buffer. */
  private received(): Uint8Array {
    const { rxBuffer, rxOffset, rxAvailable } = this.connection
    return rxBuffer.subarray(rxOffset, Math.min(rxOffset + rxAvailable, rxBuffer.length))
  }

  private begin(request: RequestHead): void {
    this.request = request
    this.keepAlive = request.keepAlive
    this.uploaded = 0
    this.hash = createHash('sha256')
    this.chunks = request.chunked ? new ChunkReader() : null
    this.phase = 'upload'
    if (request.expectsContinue && (request.chunked || request.contentLength > 0)) this.sendNext('HTTP/1.1 100 Continue\r\n\r\n')
  }

  private readUpload(): boolean {
    const left = (this.request?.contentLength ?? 0) - this.uploaded
    if (this.chunks === null ? left === 0 : this.chunks.done) return this.uploadDone()
    if (this.connection.rxAvailable === 0) {
      if (this.peerFinished) this.connection.close()
      return false
    }
    const bytes = this.received()
    const { taken, body } = this.chunks?.take(bytes) ?? plainBody(bytes, left)
    this.hash?.update(body)
    this.uploaded += body.length
    this.connection.rxDone(taken)
    return true
  }

  private uploadDone(): boolean {
    const { request, hash } = this
    if (request === null || hash === null) return false
    switch (request.method) {
      case 'GET':
      case 'HEAD':
        this.look(request)
        return false
      case 'PUT':
      case 'POST': {
        const result = { length: this.uploaded, sha256: hash.digest('hex') }
        this.respond(200, textContent('application/json', `${JSON.stringify(result)}\n`))
        return true
      }
      default:
        throw new HttpError(405, `${request.method} is not served`)
    }
  }

  private look(request: RequestHead): void {
    this.phase = 'finding'
    this.find(request.path).then((content) => {
      if (content === null) this.respond(404, textContent('text/plain', `nothing at ${request.path}\n`))
      else this.respond(200, content)
      this.advance()
    }, (error: unknown) => {
      this.fail(new HttpError(500, String(error)))
      this.advance()
    })
  }

  private fail(error: HttpError): void {
    this.keepAlive = false
    this.respond(error.status, textContent('text/plain', `${error.message}\n`))
  }

  private respond(status: number, content: Content): void {
    const fields = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, `Content-Type: ${content.type}`,
      `Content-Length: ${content.lenBytes}`, `X-SHA-256: ${content.sha256}`,
    ]
    if (status === 405) fields.push('Allow: GET, HEAD, PUT, POST')
    fields.push(`Connection: ${this.keepAlive ? 'keep-alive' : 'close'}`, '', '')
    this.sendNext(fields.join('\r\n'))
    this.answer = { content, bodyBytes: this.request?.method === 'HEAD' ? 0 : content.lenBytes }
    this.bodySent = 0
    this.phase = 'answer'
  }

  private sendNext(head: string): void {
    this.head = Buffer.concat([this.head.subarray(this.headSent), Buffer.from(head, 'latin1')])
    this.headSent = 0
  }

  private sendHead(): boolean {
    const sent = this.connection.write(this.head.subarray(this.headSent))
    this.headSent += sent
    return sent > 0
  }

  private sendBody(): boolean {
    const { answer, connection } = this
    if (answer === null) return false
    const left = answer.bodyBytes - this.bodySent
    if (left === 0) return this.answerDone()
    const got = connection.txAlloc(left)
    if (got === 0) return false
    answer.content.fill(connection.txBuffer, connection.txOffset, got, this.bodySent)
    connection.txSend(got)
    this.bodySent += got
    return true
  }

  private answerDone(): boolean {
    this.answer = null
    this.request = null
    if (this.keepAlive) {
      this.phase = 'head'
      return true
    }
    // Closing with bytes unread would reset the connection and take the answer with it (RFC 9112, 9.6).
    this.connection.txClose()
    setTimeout(() => this.connection.abort(), LINGER_MS).unref()
    this.phase = 'lingering'
    return true
  }

  private linger(): boolean {
    this.connection.rxDone(this.connection.rxAvailable)
    if (this.peerFinished) this.connection.close()
    return false
  }
}
