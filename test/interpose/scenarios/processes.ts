/** Worker threads, child processes and clusters: each puts its own TCP on TAS. */
import { fork, spawn } from 'node:child_process'
import cluster, { type Worker as ClusterWorker } from 'node:cluster'
import http from 'node:http'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { closed, freePort, HOST, listen, next, portOf, runCases } from './runner.js'

const self = fileURLToPath(import.meta.url)
const ROLE = 'SCENARIO_ROLE'
/** More than TAS accepts ahead (lib/interpose/session.ts). */
const FLEETING = 40

interface Fleeting {
  readonly port: number
  readonly done: Int32Array<SharedArrayBuffer>
}

async function get(port: number, path = '/'): Promise<string> {
  const outgoing = http.get({ host: HOST, port, path, agent: false })
  const response = await next(outgoing, 'response') as http.IncomingMessage
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return text
}

function server(): http.Server {
  return http.createServer((incoming, response) => response.end(`${process.pid} ${incoming.url}`))
}

/** In a thread: listens and says where. */
async function beThread(): Promise<void> {
  const own = server()
  parentPort?.postMessage(await listen(own))
  parentPort?.once('message', () => void closed(own))
}

/** In a thread: connections to `port` that are reset as soon as they are open, as many as it is told; notifies `done` when all are gone. */
function beFleeting({ port, done }: Fleeting): void {
  parentPort?.once('message', (count: number) => {
    let left = count
    const isGone = (): void => {
      if (--left > 0) return
      Atomics.store(done, 0, 1)
      Atomics.notify(done, 0)
    }
    for (let i = 0; i < count; i++) {
      const socket = net.connect(port, HOST, () => socket.resetAndDestroy())
      socket.on('close', isGone)
    }
  })
  parentPort?.postMessage('ready')
}

async function beChild(): Promise<void> {
  const own = server()
  process.send?.(await listen(own))
  process.once('message', () => void closed(own).then(() => process.disconnect()))
}

/** `port` is 0 or what all workers share. */
function beClusterWorker(): void {
  server().listen(Number(process.env['PORT'] ?? 0))
}

async function clusterOf(count: number, port: number): Promise<{ workers: ClusterWorker[]; port: number }> {
  cluster.setupPrimary({ exec: self })
  const workers = Array.from({ length: count }, () => cluster.fork({ [ROLE]: 'cluster', PORT: String(port) }))
  const ports = await Promise.all(workers.map(async (worker) => (await next(worker, 'listening') as { port: number }).port))
  if (new Set(ports).size !== 1) throw new Error(`ports ${ports.join(', ')}`)
  return { workers, port: ports[0] }
}

async function disconnect(workers: readonly ClusterWorker[]): Promise<unknown[]> {
  const exits = workers.map((worker) => new Promise((resolve) => worker.once('exit', (code, signal) => resolve([code, signal]))))
  for (const worker of workers) worker.disconnect()
  return Promise.all(exits)
}

async function main(): Promise<void> {
  await runCases({
    'a server in a worker thread': async () => {
      const worker = new Worker(self, { workerData: 'thread' })
      const port = await next(worker, 'message') as number
      const texts = await Promise.all(Array.from({ length: 20 }, (_, i) => get(port, `/${i}`)))
      worker.postMessage('stop')
      const code = await next(worker, 'exit')
      return [texts.every((text, i) => text === `${process.pid} /${i}`), code]
    },

    'connections that are reset while the server computes: the next are served': async () => {
      const own = server()
      own.on('clientError', (_error, socket) => socket.destroy())
      const port = await listen(own)
      const done = new Int32Array(new SharedArrayBuffer(4))
      const worker = new Worker(self, { workerData: { port, done } satisfies Fleeting })
      await next(worker, 'message')
      worker.postMessage(FLEETING)
      const waited = Atomics.wait(done, 0, 0, 10_000)
      const texts = [await get(port, '/1'), await get(port, '/2')]
      await worker.terminate()
      await closed(own)
      return [waited, texts.map((text) => text.split(' ')[1])]
    },

    'connections that a handler opens while others are reset: all end': async () => {
      const target = net.createServer((socket) => socket.end())
      const targetPort = await listen(target)
      const opened: Promise<unknown>[] = []
      const own = net.createServer((socket) => {
        socket.on('error', () => socket.destroy())
        opened.push(next(net.connect(targetPort, HOST).resume(), 'close'))
      })
      const done = new Int32Array(new SharedArrayBuffer(4))
      const worker = new Worker(self, { workerData: { port: await listen(own), done } satisfies Fleeting })
      await next(worker, 'message')
      worker.postMessage(FLEETING)
      const waited = Atomics.wait(done, 0, 0, 10_000)
      const last = net.connect(portOf(own), HOST)
      await next(last, 'connect')
      last.destroy()
      await worker.terminate()
      await closed(own)
      await Promise.all(opened)
      await closed(target)
      return waited
    },

    'a worker thread that is terminated': async () => {
      const worker = new Worker(self, { workerData: 'thread' })
      const port = await next(worker, 'message') as number
      const before = await get(port)
      await worker.terminate()
      const outgoing = http.get({ host: HOST, port })
      const error = await next(outgoing, 'error') as NodeJS.ErrnoException
      return [before !== '', error.code]
    },

    'a forked process': async () => {
      const child = fork(self, { env: { ...process.env, [ROLE]: 'child' } })
      const port = await next(child, 'message') as number
      const text = await get(port)
      child.send('stop')
      const code = await next(child, 'exit')
      return [text === `${child.pid} /`, code]
    },

    'a spawned process that writes and exits': async () => {
      const own = net.createServer()
      const port = await listen(own)
      const child = spawn(process.execPath, [...process.execArgv, self], {
        env: { ...process.env, [ROLE]: 'writer', PORT: String(port) }, stdio: 'inherit',
      })
      const socket = await next(own, 'connection') as net.Socket
      let got = 0
      socket.on('data', (bytes: Buffer) => { got += bytes.length })
      await next(socket, 'close')
      const code = child.exitCode ?? await next(child, 'exit')
      await closed(own)
      return [got, code]
    },

    'cluster: workers share port 0 and all answer': async () => {
      const { workers, port } = await clusterOf(2, 0)
      const seen = new Set<string>()
      let isGood = true
      for (let i = 0; i < 100 && seen.size < 2; i++) {
        const [pid, path] = (await get(port, `/${i}`)).split(' ')
        isGood &&= path === `/${i}`
        seen.add(pid)
      }
      return [isGood, seen.size, await disconnect(workers)]
    },

    'cluster: a port that is named, localhost too': async () => {
      const { workers, port } = await clusterOf(2, await freePort())
      const local = await fetch(`http://127.0.0.1:${port}/x`)
      const text = await local.text()
      return [text.endsWith(' /x'), (await get(port)).endsWith(' /'), await disconnect(workers)]
    },

    'cluster: a worker is killed, the others go on': async () => {
      const { workers, port } = await clusterOf(2, 0)
      const exit = next(workers[0], 'exit')
      workers[0].process.kill('SIGKILL')
      await exit
      const texts = []
      for (let i = 0; i < 10; i++) texts.push((await get(port)).split(' ')[0] === String(workers[1].process.pid))
      return [texts.every(Boolean), await disconnect(workers.slice(1))]
    },

    'unref: neither server nor idle socket keeps a process': async () => {
      const child = spawn(process.execPath, [...process.execArgv, self], { env: { ...process.env, [ROLE]: 'idle' }, stdio: 'inherit' })
      return [await next(child, 'exit')]
    },
  })
}

/** Writes and ends without waiting for anything: the kernel would deliver it. */
function beWriter(): void {
  const socket = net.connect(Number(process.env['PORT']), HOST, () => {
    socket.end(Buffer.alloc(100_000, 1), () => process.exit(3))
  })
}

async function beIdle(): Promise<void> {
  const own = net.createServer((socket) => socket.unref())
  const port = await listen(own)
  own.unref()
  const socket = net.connect(port, HOST)
  await next(socket, 'connect')
  socket.unref()
  process.stdout.write('')
  if (portOf(own) !== port) process.exit(4)
}

const role = isMainThread ? process.env[ROLE] : 'thread'
if (role === 'thread' && workerData !== 'thread') beFleeting(workerData as Fleeting)
else if (role === 'thread') await beThread()
else if (role === 'child') await beChild()
else if (role === 'cluster') beClusterWorker()
else if (role === 'writer') beWriter()
else if (role === 'idle') await beIdle()
else await main()
