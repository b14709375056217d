/** HTTP, HTTPS and HTTP/2 as the exchanges of a seed use them. */
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import type { Server } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { HOST } from '../runner.js'
import { type ExchangePlan, lengthOf } from './exchangeplan.js'

export type WebName = 'HTTP' | 'HTTPS' | 'HTTP/2' | 'HTTP/2 over TLS'
export type Incoming = http.IncomingMessage | http2.Http2ServerRequest
export type Outgoing = http.ServerResponse | http2.Http2ServerResponse

/** A certificate that nobody else has signed, and its key. */
export interface Identity {
  readonly key: Buffer
  readonly cert: Buffer
}

/** A request that has been begun. */
export interface Asked {
  /** Where the body goes. */
  readonly body: Writable
  /** The status and where the answer comes from; null if there is none. */
  readonly answered: Promise<{ readonly status: number; readonly source: Readable } | null>
  destroy(): void
}

export interface WebClient {
  ask(id: number, plan: ExchangePlan): Asked
  close(): void
}

/** Connections that are kept, and sessions of HTTP/2. */
const CONNECTIONS = 6

export function createServer(name: WebName, identity: Identity | null, handler: (incoming: Incoming, outgoing: Outgoing) => void): Server {
  const pair = identity ?? {}
  if (name === 'HTTP') return http.createServer(handler)
  if (name === 'HTTPS') return https.createServer(pair, handler)
  return name === 'HTTP/2' ? http2.createServer(handler) : http2.createSecureServer(pair, handler)
}

export function createClient(name: WebName, identity: Identity | null, port: number): WebClient {
  const trusting = identity === null ? {} : { ca: identity.cert, servername: 'localhost', checkServerIdentity: () => undefined }
  if (name === 'HTTP' || name === 'HTTPS') return new Http1Client(name === 'HTTP' ? http : https, trusting, port)
  return new Http2Client(`${name === 'HTTP/2' ? 'http' : 'https'}://${HOST}:${port}`, trusting)
}

function hasBody({ request }: ExchangePlan): boolean {
  return request.chunks.length > 0
}

function lengthHeader({ request }: ExchangePlan): http.OutgoingHttpHeaders {
  return request.hasLength ? { 'content-length': lengthOf(request) } : {}
}

class Http1Client implements WebClient {
  private readonly protocol: typeof http | typeof https
  private readonly options: https.RequestOptions
  private readonly agent: http.Agent

  constructor(protocol: typeof http | typeof https, options: https.RequestOptions, port: number) {
    this.protocol = protocol
    this.options = { ...options, host: HOST, port }
    this.agent = new protocol.Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  }

  ask(id: number, plan: ExchangePlan): Asked {
    const transfer = plan.request.hasLength ? lengthHeader(plan) : { 'transfer-encoding': 'chunked' }
    const request = this.protocol.request({
      ...this.options, path: `/${id}`, method: hasBody(plan) ? 'POST' : 'GET', agent: plan.isKeptAlive ? this.agent : false,
      headers: hasBody(plan) ? transfer : {},
    })
    request.on('error', () => undefined)
    return {
      body: request,
      answered: new Promise((resolve) => {
        request.once('response', (source) => resolve({ status: source.statusCode ?? 0, source })).once('close', () => resolve(null))
      }),
      destroy: () => request.destroy(),
    }
  }

  close(): void {
    this.agent.destroy()
  }
}

class Http2Client implements WebClient {
  private readonly sessions: http2.ClientHttp2Session[]

  constructor(authority: string, options: http2.SecureClientSessionOptions) {
    this.sessions = Array.from({ length: CONNECTIONS }, () => http2.connect(authority, options))
    for (const session of this.sessions) session.on('error', () => undefined)
  }

  ask(id: number, plan: ExchangePlan): Asked {
    const session = this.sessions[id % this.sessions.length]
    const headers = { ':path': `/${id}`, ':method': hasBody(plan) ? 'POST' : 'GET', ...(hasBody(plan) ? lengthHeader(plan) : {}) }
    const stream = session.request(headers, { endStream: !hasBody(plan) })
    stream.on('error', () => undefined)
    return {
      body: stream,
      answered: new Promise((resolve) => {
        stream.once('response', (incoming) => resolve({ status: Number(incoming[':status']), source: stream })).once('close', () => resolve(null))
      }),
      destroy: () => stream.destroy(),
    }
  }

  close(): void {
    for (const session of this.sessions) session.close()
  }
}
