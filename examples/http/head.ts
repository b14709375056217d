/** Heads of HTTP/1.1 messages (RFC 9112). */

/** Why a request cannot be served: the status to answer with. */
export class HttpError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export interface RequestHead {
  readonly method: string
  readonly path: string
  readonly keepAlive: boolean
  /** Length of the body in bytes; 0 if it is chunked. */
  readonly contentLength: number
  /** The body comes in chunks. */
  readonly chunked: boolean
  readonly expectsContinue: boolean
}

export interface ResponseHead {
  readonly status: number
  /** -1: the body ends with the connection. */
  readonly contentLength: number
}

const MAX_HEAD_BYTES = 16_384
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** Collects the bytes of a head, which may arrive in any pieces. */
export class HeadReader {
  private bytes: Buffer = Buffer.alloc(0)

  /** Whether nothing of a head has arrived. */
  get isEmpty(): boolean {
    return this.bytes.length === 0
  }

  /** Takes bytes up to the end of the head. Returns how many it took; `text` is the head when it is complete. */
  take(piece: Uint8Array): { taken: number; text: string | null } {
    const before = this.bytes.length
    this.bytes = Buffer.concat([this.bytes, piece])
    const end = this.bytes.indexOf('\r\n\r\n', Math.max(0, before - 3))
    if (end < 0) {
      if (this.bytes.length > MAX_HEAD_BYTES) throw new HttpError(431, `a head of more than ${MAX_HEAD_BYTES} bytes`)
      return { taken: piece.length, text: null }
    }
    const text = this.bytes.toString('latin1', 0, end)
    this.bytes = Buffer.alloc(0)
    return { taken: end + 4 - before, text }
  }
}

/** Parses a request's head. Throws HttpError with the status that says what is wrong with it. */
export function parseRequest(text: string): RequestHead {
  const [line, ...rest] = text.replace(/^(\r\n)+/, '').split('\r\n')
  const match = /^(\S+) (\S+) HTTP\/(\d)\.(\d)$/.exec(line)
  if (match === null) throw new HttpError(400, 'no request line')
  const [, method, target, major, minor] = match
  if (!TOKEN.test(method)) throw new HttpError(400, 'no method')
  if (major !== '1') throw new HttpError(505, `HTTP/${major}.${minor}`)
  const fields = parseFields(rest)
  if (minor !== '0' && !fields.has('host')) throw new HttpError(400, 'no Host')
  const connection = (fields.get('connection') ?? '').toLowerCase().split(/\s*,\s*/)
  const chunked = isChunked(fields, minor)
  const length = contentLength(fields)
  if (!chunked && length < 0 && (method === 'PUT' || method === 'POST')) throw new HttpError(411, 'a Content-Length or Transfer-Encoding: chunked is needed')
  return {
    method,
    path: target.replace(/^http:\/\/[^/?]*/i, '').replace(/\?.*$/, '') || '/',
    keepAlive: minor === '0' ? connection.includes('keep-alive') : !connection.includes('close'),
    contentLength: Math.max(0, length),
    chunked,
    expectsContinue: minor !== '0' && fields.get('expect')?.toLowerCase() === '100-continue',
  }
}

/** Parses a response's head. Throws HttpError (status 502) if it is none, or if its body is coded. */
export function parseResponse(text: string): ResponseHead {
  const [line, ...rest] = text.split('\r\n')
  const match = /^HTTP\/1\.\d (\d{3})( .*)?$/.exec(line)
  if (match === null) throw new HttpError(502, 'no status line')
  const fields = parseFields(rest)
  if (fields.has('transfer-encoding')) throw new HttpError(502, 'a transfer coding though HTTP/1.0 was asked for')
  return { status: Number(match[1]), contentLength: contentLength(fields) }
}

/** RFC 9112, 6.1 and 6.3: with a length beside it, or in HTTP/1.0, nobody knows where the body ends. */
function isChunked(fields: ReadonlyMap<string, string>, minorVersion: string): boolean {
  const coding = fields.get('transfer-encoding')
  if (coding === undefined) return false
  if (fields.has('content-length')) throw new HttpError(400, 'both Content-Length and Transfer-Encoding')
  if (minorVersion === '0') throw new HttpError(400, 'Transfer-Encoding in HTTP/1.0')
  if (coding.toLowerCase() !== 'chunked') throw new HttpError(501, `transfer coding ${coding.slice(0, 40)} is not served, only chunked`)
  return true
}

function parseFields(lines: readonly string[]): Map<string, string> {
  const fields = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon)).toLowerCase()
    if (!TOKEN.test(name)) throw new HttpError(400, `bad header line ${JSON.stringify(line.slice(0, 40))}`)
    const value = line.slice(colon + 1).trim()
    const earlier = fields.get(name)
    fields.set(name, earlier === undefined ? value : `${earlier}, ${value}`)
  }
  return fields
}

/** -1 if there is none. Several equal lengths count as one (RFC 9112, 6.3). */
function contentLength(fields: ReadonlyMap<string, string>): number {
  const text = fields.get('content-length')
  if (text === undefined) return -1
  const [first, ...others] = text.split(/\s*,\s*/)
  const length = Number(first)
  const good = /^\d+$/.test(first) && Number.isSafeInteger(length) && others.every((other) => other === first)
  if (!good) throw new HttpError(400, `Content-Length ${JSON.stringify(text.slice(0, 40))}`)
  return length
}
