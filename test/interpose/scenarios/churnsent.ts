/** As churn.ts, with the server's end of each connection in another process, which it is sent to (`process.send(message, socket)`). */
import { type ChildProcess, fork } from 'node:child_process'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { CONNECTIONS, inTime, seeds } from './churn/cases.js'
import { Churn, OVER_TCP } from './churn/ends.js'
import { problemsOf } from './churn/judge.js'
import type { Outcome } from './churn/side.js'
import { closed, listen, next, runCases, type Seen } from './runner.js'

const self = fileURLToPath(import.meta.url)

/** A server that sends what it accepts to `other`. */
async function passOn(other: ChildProcess): Promise<{ server: net.Server; port: number }> {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    // It may be over before it is sent.
    socket.on('error', () => undefined)
    other.send('socket', socket, () => undefined)
  })
  return { server, port: await listen(server) }
}

async function churnElsewhere(seed: number): Promise<Seen> {
  const other = fork(self, [String(seed)])
  await next(other, 'message')
  const churn = new Churn(seed, OVER_TCP)
  const { server, port } = await passOn(other)
  let servers: Outcome[] = []
  const told = next(other, 'message').then((outcomes) => { servers = outcomes as Outcome[] })
  const isDone = await inTime(churn.connectAll(port, CONNECTIONS).then(() => churn.done()).then(() => other.send('done')).then(() => told).then(() => closed(server)))
  other.kill('SIGKILL')
  return [...(isDone ? [] : ['not done', ...churn.describeOpen()]), ...problemsOf(seed, churn.clients, servers)]
}

function beServer(seed: number): void {
  const churn = new Churn(seed, OVER_TCP)
  process.on('message', (message, socket) => {
    if (message === 'done') void churn.done().then(() => process.send?.(churn.servers))
    else if (socket instanceof net.Socket) churn.take(socket)
  })
  process.send?.('ready')
}

if (process.send === undefined) await runCases(Object.fromEntries(seeds.map((seed) => [`seed ${seed}`, () => churnElsewhere(seed)])))
else beServer(Number(process.argv[2]))
