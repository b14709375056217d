/** HTTP client on TAS: fetches one thing. */
import { createHash } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'
import { CONN_CLOSED, CONN_OPEN, CONN_RECEIVED, CONN_RXCLOSED, CONN_SENDBUF, type Connection, type TasEvent } from 'tasjs'
import { fail, numberOption, onSignal, openTas, parseCommandLine, TAS_OPTIONS, TAS_USAGE } from './cli.js'
import { HeadReader, parseResponse, type ResponseHead } from './http/head.js'

const USAGE = `usage: node http-get.js [--output FILE] [--timeout S] [--socket PATH] [--nic NAME --ip-addr ADDR/PREFIXLEN] http://ADDRESS[:PORT]/PATH

Fetches through TAS. Prints length and SHA-256 of the body.

  --output FILE   writes the body to FILE
  --timeout S     gives up when nothing arrives for S seconds (default 60)
${TAS_USAGE}
  --help          this text`

const { values, positionals } = parseCommandLine(USAGE, {
  output: { type: 'string' }, ...TAS_OPTIONS, timeout: { type: 'string' },
}, 1)
const url = parseUrl(positionals[0])
const timeoutMs = numberOption(values, 'timeout', 60, 1, 86_400) * 1000
const output = values['output']

function parseUrl(text: string): URL {
  const parsed = URL.canParse(text) ? new URL(text) : null
  if (parsed !== null && parsed.protocol === 'http:' && /^[\d.]+$/.test(parsed.hostname)) return parsed
  const wish = 'want http://ADDRESS[:PORT]/PATH with an IPv4 address (names are not looked up)'
  return fail(new Error(`${JSON.stringify(text)}: ${wish}`), 2)
}

/** One request and its response. HTTP/1.0, so that the body comes uncoded (RFC 9112, 6.3). */
class Download {
  lenBytes = 0
  private readonly hash = createHash('sha256')
  private readonly reader = new HeadReader()
  private readonly fd: number | null
  private request: Uint8Array
  private head: ResponseHead | null = null

  constructor(target: URL, fd: number | null) {
    this.fd = fd
    const { pathname, search, host } = target
    this.request = Buffer.from(`GET ${pathname}${search} HTTP/1.0\r\nHost: ${host}\r\nAccept: */*\r\n\r\n`, 'latin1')
  }

  send(connection: Connection): void {
    this.request = this.request.subarray(connection.write(this.request))
  }

  /** Takes all that has arrived. */
  receive(connection: Connection): void {
    while (connection.rxAvailable > 0) {
      const { rxBuffer, rxOffset, rxAvailable } = connection
      const bytes = rxBuffer.subarray(rxOffset, Math.min(rxOffset + rxAvailable, rxBuffer.length))
      connection.rxDone(this.head === null ? this.takeHead(bytes) : this.takeBody(bytes))
    }
  }

  get complete(): boolean {
    return this.head !== null && this.head.contentLength >= 0 && this.lenBytes >= this.head.contentLength
  }

  /** The peer has finished: throws unless that ends the body. */
  finish(): void {
    if (this.head === null) throw new Error(`${url.href}: the server sent no answer`)
    if (this.head.contentLength >= 0 && !this.complete) {
      throw new Error(`${url.href}: ended after ${this.lenBytes} of ${this.head.contentLength} bytes`)
    }
  }

  get summary(): string {
    return `${this.head?.status} ${this.lenBytes} bytes sha256 ${this.hash.digest('hex')}`
  }

  get ok(): boolean {
    return this.head?.status === 200
  }

  private takeHead(bytes: Uint8Array): number {
    const { taken, text } = this.reader.take(bytes)
    if (text !== null) this.head = parseResponse(text)
    return taken
  }

  private takeBody(bytes: Uint8Array): number {
    this.hash.update(bytes)
    this.lenBytes += bytes.length
    if (this.fd !== null) for (let at = 0; at < bytes.length;) at += writeSync(this.fd, bytes, at)
    return bytes.length
  }
}

/** The download on its connection. */
class Exchange {
  private readonly connection: Connection
  private readonly download: Download
  private finished = false

  constructor(connection: Connection, download: Download) {
    this.connection = connection
    this.download = download
  }

  /** Takes one event. Throws Error when the download has failed. */
  handle(event: TasEvent): void {
    const { connection, download } = this
    switch (event.type) {
      case CONN_OPEN:
        if (event.error !== null) throw new Error(`${url.href}: ${event.code}`)
        download.send(connection)
        return
      case CONN_SENDBUF: download.send(connection); return
      case CONN_RECEIVED:
        download.receive(connection)
        if (download.complete) this.finish()
        return
      case CONN_RXCLOSED: this.finish(); return
      case CONN_CLOSED:
        if (event.error !== null && !this.finished) throw new Error(`${url.href}: ${event.code}`)
        return
      default:
    }
  }

  private finish(): void {
    if (this.finished) return
    this.finished = true
    this.download.finish()
    console.log(this.download.summary)
    process.exitCode = this.download.ok ? 0 : 1
    this.connection.close()
  }
}

/** Opens the connection, and ends the program's part in TAS when it is closed. */
async function run(): Promise<void> {
  const fd = typeof output === 'string' ? openSync(output, 'w') : null
  const tas = await openTas(values, 'http-get')
  const context = tas.createContext()
  const connection = context.connect(url.hostname, url.port === '' ? 80 : Number(url.port))
  const exchange = new Exchange(connection, new Download(url, fd))
  const timer = setTimeout(() => fail(new Error(`${url.href}: nothing arrived for ${timeoutMs / 1000} s`)), timeoutMs)
  onSignal(() => {
    process.exitCode = 130
    connection.abort()
  })
  context.attach((event) => {
    timer.refresh()
    try {
      exchange.handle(event)
    } catch (error) {
      fail(error)
    }
    if (event.type !== CONN_CLOSED) return
    clearTimeout(timer)
    if (fd !== null) closeSync(fd)
    tas.close()
  })
}

try {
  await run()
} catch (error) {
  fail(error)
}
