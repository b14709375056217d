/**
 * A program whose other processes and threads want to be on TAS as well. OWN is TAS's address; PORTS are a service.ts on another host, HOST.
 * Prints JSON: what listening gives each of them, and from which address each reaches the other host.
 */
import { fork } from 'node:child_process'
import cluster from 'node:cluster'
import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { HOST } from './runner.js'

const self = fileURLToPath(import.meta.url)
const OWN = process.env['OWN'] ?? ''
const [echoPort] = JSON.parse(process.env['PORTS'] ?? '[]') as number[]

/** 'listening', or what failed. */
function listens(address: string | undefined): Promise<string> {
  return new Promise((resolve) => {
    const server = net.createServer()
    server.on('error', ({ syscall, code }: NodeJS.ErrnoException) => resolve(`${syscall} ${code}`))
    server.listen(0, address, () => server.close(() => resolve('listening')))
  })
}

/** The own address of a connection to the other host. */
async function connects(): Promise<string | undefined> {
  const socket = net.connect(echoPort, HOST)
  await once(socket, 'connect')
  const { localAddress } = socket
  socket.destroy()
  return localAddress
}

async function see(): Promise<unknown[]> {
  return [await listens(undefined), await listens(OWN), await listens('127.0.0.1'), await connects()]
}

if (!isMainThread) {
  parentPort?.postMessage(await see())
} else if (process.send !== undefined) {
  process.send(await see())
  process.disconnect()
} else {
  cluster.setupPrimary({ exec: self })
  const first = await see()
  const others = [new Worker(self), cluster.fork(), fork(self)]
  const seen = await Promise.all(others.map((other) => once(other, 'message').then(([message]) => message as unknown)))
  const [thread, worker, child] = seen
  process.stdout.write(`${JSON.stringify({ first, thread, worker, child })}\n`)
}
