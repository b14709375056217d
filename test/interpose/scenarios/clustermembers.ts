/** Workers of a cluster (clustermember.ts) and what they are asked; for clusterservers.ts and clusterhandout.ts. */
import cluster, { type Worker } from 'node:cluster'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import net, { type ListenOptions } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Kind, Order } from './clustermember.js'
import { collect } from './pair.js'
import { HOST, next } from './runner.js'

cluster.setupPrimary({ exec: fileURLToPath(new URL('clustermember.js', import.meta.url)) })

/** What a worker says of its server. */
export interface Listens {
  readonly place?: net.AddressInfo
  readonly error?: unknown
}

/** Of servers over TLS; CERTIFICATES as in tls.ts. */
export const certificate = join(process.env['CERTIFICATES'] ?? '', 'server.pem')
const TRIES = 200

function trust(): { ca: Buffer; servername: string; checkServerIdentity: () => undefined } {
  return { ca: readFileSync(certificate), servername: 'localhost', checkServerIdentity: () => undefined }
}

export async function ask(worker: Worker, order: Order): Promise<unknown> {
  const answer = next(worker, 'message')
  worker.send(order)
  return answer
}

export function listens(worker: Worker, options: ListenOptions, kind: Kind = 'http'): Promise<Listens> {
  return ask(worker, { order: 'listen', kind, options }) as Promise<Listens>
}

/** Workers that listen to orders. */
export async function workersOf(count: number): Promise<Worker[]> {
  const workers = Array.from({ length: count }, () => cluster.fork())
  await Promise.all(workers.map((worker) => next(worker, 'message')))
  return workers
}

/** Workers that listen on the same port, which all of them must have. */
export async function sharing(count: number, options: ListenOptions, kind: Kind = 'http'): Promise<{ workers: Worker[]; port: number }> {
  const workers = await workersOf(count)
  const ports = new Set<number>()
  for (const worker of workers) {
    const { place, error } = await listens(worker, options, kind)
    if (place === undefined) throw new Error(JSON.stringify(error))
    ports.add(place.port)
  }
  const [port] = ports
  if (ports.size !== 1) throw new Error(`ports ${[...ports].join(', ')}`)
  return { workers, port }
}

export async function ended(workers: readonly Worker[]): Promise<unknown[]> {
  const exits = workers.map((worker) => next(worker, 'exit'))
  for (const worker of workers) worker.disconnect()
  return Promise.all(exits)
}

async function textOf(request: http.ClientRequest): Promise<string> {
  return (await collect(await next(request, 'response') as http.IncomingMessage)).toString()
}

async function get2(url: string, options: http2.SecureClientSessionOptions): Promise<string> {
  const session = http2.connect(url, options)
  const text = (await collect(session.request({ ':path': '/' }))).toString()
  session.close()
  await next(session, 'close')
  return text
}

async function read(port: number, host: string): Promise<string> {
  return (await collect(net.connect(port, host))).toString()
}

/** Who answers. */
export const get: Readonly<Record<Kind, (port: number, host: string) => Promise<string>>> = {
  echo: read,
  names: read,
  http: (port, host) => textOf(http.get({ host, port, agent: false })),
  https: (port, host) => textOf(https.get({ host, port, agent: false, ...trust() })),
  http2: (port, host) => get2(`http://${host}:${port}`, {}),
  http2s: (port, host) => get2(`https://${host}:${port}`, trust()),
}

/** Asks until all of `workers` have answered; returns whether nobody else has. */
export async function allAnswer(workers: readonly Worker[], port: number, host = HOST, kind: Kind = 'http'): Promise<boolean> {
  const all = new Set(workers.map(pidOf))
  const silent = new Set(all)
  for (let i = 0; i < TRIES && silent.size > 0; i++) {
    const pid = await get[kind](port, host)
    if (!all.has(pid)) return false
    silent.delete(pid)
  }
  return silent.size === 0
}

export function pidOf(worker: Worker): string {
  return String(worker.process.pid)
}

export async function refusal(port: number, host = HOST): Promise<string | undefined> {
  return (await next(net.connect(port, host), 'error') as NodeJS.ErrnoException).code
}

/** Waits until nobody listens: the kernel refuses at once, a service of TAS some moments after another process has closed its server. */
export async function isFree(port: number): Promise<void> {
  for (;;) {
    const socket = net.connect(port, HOST)
    const code = await new Promise((resolve) => {
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
      socket.on('connect', () => resolve(''))
    })
    socket.destroy()
    if (code === 'ECONNREFUSED') return
  }
}

/** Which address a server has; `::` is every one as 0.0.0.0 is. */
export function shown({ place, error }: Listens): unknown {
  if (place === undefined) return error
  return [place.address === HOST ? 'HOST' : place.address, place.family]
}

export async function opened(port: number): Promise<net.Socket> {
  const socket = net.connect(port, HOST)
  await next(socket, 'connect')
  return socket
}
