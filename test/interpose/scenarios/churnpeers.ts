/**
 * As churn.ts, with the clients in a process of their own: they go on while the server computes. CHURN_CLIENTS names a network namespace for them, where
 * they run with CHURN_CLIENT_OPTIONS as NODE_OPTIONS; otherwise they are what the server is, where it is.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { casesOf, CONNECTIONS, inTime, type KindName, kindOf } from './churn/cases.js'
import { Churn } from './churn/ends.js'
import { problemsOf } from './churn/judge.js'
import type { Outcome } from './churn/side.js'
import { closed, next, runCases, type Seen } from './runner.js'

/** What the clients are told. */
interface ClientPart {
  readonly seed: number
  readonly kind: KindName
  readonly port: number
}

const self = fileURLToPath(import.meta.url)

function startClients(part: ClientPart): ChildProcess {
  const { CHURN_CLIENTS: namespace, CHURN_CLIENT_OPTIONS: options, ...others } = process.env
  const told = JSON.stringify(part)
  const env = { ...others, NODE_OPTIONS: options ?? '' }
  if (namespace === undefined) return fork(self, [told])
  return spawn('nsenter', [`--net=${namespace}`, process.execPath, self, told], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
}

async function churnWithOther(kind: KindName, seed: number): Promise<Seen> {
  const churn = new Churn(seed, kindOf(kind))
  const { server, port } = await churn.serve()
  const other = startClients({ seed, kind, port })
  let clients: Outcome[] = []
  const told = next(other, 'message').then((outcomes) => { clients = outcomes as Outcome[] })
  const isDone = await inTime(told.then(() => churn.done()).then(() => closed(server)))
  other.kill('SIGKILL')
  return [...(isDone ? [] : ['not done', ...churn.describeOpen()]), ...problemsOf(seed, [...clients, ...churn.clients], churn.servers)]
}

async function beClients({ seed, kind, port }: ClientPart): Promise<void> {
  const churn = new Churn(seed, kindOf(kind))
  await churn.connectAll(port, CONNECTIONS)
  await churn.done()
  process.send?.(churn.clients)
}

if (process.send === undefined) await runCases(casesOf(churnWithOther))
else await beClients(JSON.parse(process.argv[2]) as ClientPart)
