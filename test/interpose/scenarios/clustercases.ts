/** Clusters whose workers listen on one address, HOST, and not on every one. */
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { closed, freePort, HOST, listen, next, runCases } from './runner.js'

interface Members {
  readonly workers: readonly Worker[]
  readonly port: number
  /** What the primary hears of their servers, without the port. */
  readonly announced: readonly unknown[]
}

async function get(port: number, host = HOST): Promise<string> {
  const [response] = await once(http.get({ host, port, agent: false }), 'response') as [http.IncomingMessage]
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return text
}

async function refusal(port: number, host: string): Promise<string | undefined> {
  return (await next(net.connect(port, host), 'error') as NodeJS.ErrnoException).code
}

function forkWorker(port: number): Worker {
  return cluster.fork({ PORT: String(port) })
}

async function start(count: number, port: number): Promise<Members> {
  const workers = Array.from({ length: count }, () => forkWorker(port))
  const told = await Promise.all(workers.map((worker) => next(worker, 'listening'))) as { address: string; port: number; addressType: number }[]
  if (new Set(told.map((one) => one.port)).size !== 1) throw new Error(`ports ${told.map((one) => one.port).join(', ')}`)
  const announced = told.map(({ address, addressType }) => [address === HOST, addressType])
  return { workers, port: told[0].port, announced }
}

/** Asks until all of `workers` have answered; returns whether nobody else has. */
async function allAnswer({ workers, port }: Members): Promise<boolean> {
  const silent = new Set(workers.map((worker) => String(worker.process.pid)))
  const all = new Set(silent)
  for (let i = 0; i < 200 && silent.size > 0; i++) {
    const pid = await get(port)
    if (!all.has(pid)) return false
    silent.delete(pid)
  }
  return silent.size === 0
}

/** Waits until nobody who is gone gets connections. The kernel knows at once, a service of TAS some moments later. */
async function isNoticed(port: number): Promise<void> {
  for (let inRow = 0; inRow < 10;) inRow = await get(port).then(() => inRow + 1, () => 0)
}

async function stop({ workers }: Members): Promise<unknown[]> {
  const exits = workers.map((worker) => next(worker, 'exit'))
  for (const worker of workers) worker.disconnect()
  return Promise.all(exits)
}

/** How workers share: round robin by the primary, or one handle for all. */
function cases(policy: string): Record<string, () => Promise<unknown>> {
  return {
    [`${policy}: port 0`]: async () => {
      const members = await start(2, 0)
      const chosen = cluster.schedulingPolicy === cluster.SCHED_NONE
      return [members.announced, await allAnswer(members), await refusal(members.port, '127.0.0.1'), await stop(members), chosen]
    },

    [`${policy}: a port that is named, also when the workers are others`]: async () => {
      const port = await freePort()
      const members = await start(2, port)
      const first = [members.port === port, await allAnswer(members), await stop(members)]
      const others = await start(2, port)
      return [first, await allAnswer(others), await stop(others), await refusal(port, HOST)]
    },

    [`${policy}: localhost is somebody else's`]: async () => {
      const other = http.createServer((_, response) => response.end('other'))
      const port = await listen(other, '127.0.0.1')
      const members = await start(1, port)
      const seen = [await get(port, '127.0.0.1'), await allAnswer(members), await stop(members)]
      await closed(other)
      return seen
    },

    [`${policy}: the port is taken`]: async () => {
      const other = net.createServer()
      const port = await listen(other, HOST)
      const worker = forkWorker(port)
      const error = await next(worker, 'message')
      await closed(other)
      return [error, await stop({ workers: [worker], port, announced: [] })]
    },

    [`${policy}: a worker is killed, the others go on`]: async () => {
      const { workers, port, announced } = await start(2, 0)
      const exit = next(workers[0], 'exit')
      workers[0].process.kill('SIGKILL')
      await exit
      const rest = { workers: workers.slice(1), port, announced }
      await isNoticed(port)
      return [await allAnswer(rest), await stop(rest)]
    },
  }
}

/** Runs the cases under the scheduling policy of this process. */
export async function runClusterCases(): Promise<void> {
  cluster.setupPrimary({ exec: fileURLToPath(new URL('clusterworker.js', import.meta.url)) })
  const policy = cluster.schedulingPolicy === cluster.SCHED_NONE ? 'one handle' : 'round robin'
  await runCases(cases(policy))
}
