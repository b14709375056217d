/**
 * A program whose TAS is killed. HOST and PORTS are a service.ts elsewhere, OWN is TAS's address, NOBODY one of its network that does not answer.
 * Prints 'ready', then a line of JSON with what everything that was open has seen until its end, then 'back' once all works again.
 */
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorOf, HOST, next, record } from './runner.js'

const OWN = process.env['OWN'] ?? ''
const NOBODY = process.env['NOBODY'] ?? ''
const [echoPort, , , , deafPort] = JSON.parse(process.env['PORTS'] ?? '[]') as number[]
const [PORT, SILENT_PORT, LATER_PORT] = [7200, 7201, 7202]
const PAUSE_MS = 50
const WRITTEN_BYTES = 1 << 26
const seen: Record<string, string[]> = {}

function logOf(name: string): string[] {
  return (seen[name] ??= [])
}

/** Records what a socket sees from now on. Resolves when it is closed. */
function watch(name: string, socket: net.Socket): Promise<unknown> {
  const log = logOf(name)
  socket.on('error', (error) => log.push(String(errorOf(error)['message'])))
  record(socket, ['end', 'timeout', 'close'], log)
  return next(socket, 'close')
}

function echoServer(): net.Server {
  return net.createServer((socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
}

/** Whether what is sent to an echo server comes back. */
async function echoes(port: number, address: string): Promise<boolean> {
  const socket = net.connect(port, address)
  socket.on('error', () => undefined)
  try {
    await once(socket, 'connect')
    socket.write('x')
    await once(socket, 'data')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

process.on('uncaughtException', (error) => logOf('uncaught').push(error.message))

const server = echoServer()
record(server, ['error', 'close'], logOf('server'))
await once(server.listen(PORT, OWN), 'listening')

const ends: Promise<unknown>[] = []
server.once('connection', (socket) => ends.push(watch('accepted', socket)))
const inside = net.connect(PORT, OWN)
await once(inside, 'connect')
inside.write('x')
await once(inside, 'data')
ends.push(watch('inside', inside))

const idle = net.connect(echoPort, HOST)
await once(idle, 'connect')
ends.push(watch('idle', idle))

// Far more than fits, and nobody reads: the write is not done, however late the end comes.
const writer = net.connect(deafPort, HOST)
await once(writer, 'connect')
writer.write(Buffer.alloc(WRITTEN_BYTES), () => logOf('writer').push('callback'))
ends.push(watch('writer', writer))

const silent = http.createServer(() => undefined)
await once(silent.listen(SILENT_PORT, OWN), 'listening')
const request = http.get({ host: OWN, port: SILENT_PORT })
ends.push(new Promise<void>((resolve) => {
  request.on('error', (error) => {
    logOf('request').push(String((error as NodeJS.ErrnoException).code))
    resolve()
  })
}))
await once(silent, 'request')

ends.push(watch('connecting', net.connect(7, NOBODY)))

process.stdout.write('ready\n')
await Promise.all(ends)
await watch('connect afterwards', net.connect(echoPort, HOST))
const later = echoServer()
record(later, ['error', 'close', 'listening'], logOf('listen afterwards'))
await once(later.listen(LATER_PORT, OWN), 'listening')
process.stdout.write(`${JSON.stringify(seen)}\n`)

for (const [port, address] of [[echoPort, HOST], [PORT, OWN], [LATER_PORT, OWN]] as const) {
  while (!await echoes(port, address)) await sleep(PAUSE_MS)
}
process.stdout.write(`back ${JSON.stringify(seen['uncaught'] ?? [])}\n`)
process.exit()
