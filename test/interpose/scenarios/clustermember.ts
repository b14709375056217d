/** A worker of clusterservers.ts: has one server, and answers each order of the primary with a message. */
import cluster from 'node:cluster'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import net, { type ListenOptions } from 'node:net'
import { join } from 'node:path'
import { errorOf } from './runner.js'

/** What kind of server: each tells who it is. One of `echo` then says what it hears; `names`, whose connection it is. */
export type Kind = 'echo' | 'names' | 'http' | 'http2' | 'https' | 'http2s'
export type Order =
  | { readonly order: 'listen'; readonly kind: Kind; readonly options: ListenOptions }
  | { readonly order: 'close' }
  | { readonly order: 'leave' }

const folder = process.env['CERTIFICATES'] ?? ''
const me = String(process.pid)
const servers: net.Server[] = []

function identity(): { key: Buffer; cert: Buffer } {
  return { key: readFileSync(join(folder, 'server-key.pem')), cert: readFileSync(join(folder, 'server.pem')) }
}

function echo(socket: net.Socket): void {
  socket.on('error', () => undefined)
  socket.write(me)
  socket.pipe(socket)
}

function names(socket: net.Socket): void {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  socket.end(JSON.stringify([remoteAddress, remotePort, localAddress, localPort]))
}

const make: Readonly<Record<Kind, () => net.Server>> = {
  echo: () => net.createServer(echo),
  names: () => net.createServer(names),
  http: () => http.createServer((_, response) => response.end(me)),
  https: () => https.createServer(identity(), (_, response) => response.end(me)),
  http2: () => http2.createServer((_, response) => response.end(me)),
  http2s: () => http2.createSecureServer(identity(), (_, response) => response.end(me)),
}

/** Where the server listens, or why it does not. */
function listens(kind: Kind, options: ListenOptions): Promise<unknown> {
  return new Promise((resolve) => {
    const server = make[kind]()
    server.on('error', (error) => resolve({ error: errorOf(error) }))
    server.listen(options, () => {
      servers.push(server)
      resolve({ place: server.address() })
    })
  })
}

function closes(): Promise<unknown> {
  return new Promise((resolve) => {
    const server = servers.pop()
    if (server === undefined) resolve('no server')
    else server.close((error) => resolve(error?.message ?? 'closed'))
  })
}

process.on('message', (order: Order) => {
  if (order.order === 'listen') void listens(order.kind, order.options).then((answer) => process.send?.(answer))
  else if (order.order === 'close') void closes().then((answer) => process.send?.(answer))
  else cluster.worker?.disconnect()
})
process.send?.('ready')
