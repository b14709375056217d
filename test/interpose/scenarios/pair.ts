/** Connections of `node:net` as the scenarios need them. */
import assert from 'node:assert/strict'
import net from 'node:net'
import { HOST, listen, next } from './runner.js'

/** A pair of connected sockets. The server takes one connection. */
export async function pair(options: net.ServerOpts = {}, client: Partial<net.TcpNetConnectOpts> = {}): Promise<{
  server: net.Server; near: net.Socket; far: net.Socket
}> {
  const server = net.createServer(options)
  const port = await listen(server)
  const accepted = next(server, 'connection')
  const near = net.connect({ port, host: HOST, ...client })
  const [far] = await Promise.all([accepted, next(near, 'connect')])
  assert(far instanceof net.Socket)
  return { server, near, far }
}

/** Everything up to the end; what goes in the other direction is left alone. */
export async function collect(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  await next(stream, 'end')
  return Buffer.concat(chunks)
}
