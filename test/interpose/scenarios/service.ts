/** Servers for clients on another host: echo, HTTP, a sink that counts, one that resets, one that never reads. Prints their ports as JSON. */
import { createHash } from 'node:crypto'
import http from 'node:http'
import net from 'node:net'
import { listen } from './runner.js'

/** Answers with the length of the body, when all of it is there. */
function countBody(incoming: http.IncomingMessage, response: http.ServerResponse): void {
  let lenBytes = 0
  incoming.on('data', (bytes: Buffer) => { lenBytes += bytes.length })
  incoming.on('end', () => response.end(String(lenBytes)))
}

const echo = net.createServer((socket) => {
  socket.on('error', () => undefined)
  socket.pipe(socket)
})
const web = http.createServer((incoming, response) => {
  if (incoming.method === 'POST') incoming.pipe(response)
  else if (incoming.method === 'PUT') countBody(incoming, response)
  else response.end(`${incoming.url} for ${String(incoming.socket.remoteFamily)}`)
})
const sink = net.createServer({ allowHalfOpen: true }, (socket) => {
  const hash = createHash('sha256')
  socket.on('data', (bytes: Buffer) => hash.update(bytes))
  socket.on('end', () => socket.end(hash.digest('hex')))
})
const resetter = net.createServer((socket) => socket.once('data', () => socket.resetAndDestroy()))
const deaf = net.createServer({ pauseOnConnect: true }, (socket) => socket.on('error', () => undefined))

const ports = await Promise.all([echo, web, sink, resetter, deaf].map((server) => listen(server)))
process.stdout.write(`${JSON.stringify(ports)}\n`)
