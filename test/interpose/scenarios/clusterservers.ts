/** Servers of a cluster's workers, from their first `listen` to the end: who shares, who is alone, who is left. */
import cluster from 'node:cluster'
import { existsSync } from 'node:fs'
import http from 'node:http'
import net, { type ListenOptions } from 'node:net'
import type { Kind, Order } from './clustermember.js'
import { allAnswer, ask, certificate, ended, get, isFree, listens, opened, refusal, sharing, shown, workersOf } from './clustermembers.js'
import { collect } from './pair.js'
import { closed, errorOf, freePort, HOST, listen, next, runCases } from './runner.js'

/** Servers that each worker has for itself. */
async function alone(options: ListenOptions): Promise<unknown[]> {
  const workers = await workersOf(2)
  const first = await listens(workers[0], { ...options, exclusive: true })
  const port = first.place?.port ?? 0
  const second = await listens(workers[1], { ...options, port: 0, exclusive: true })
  const rival = await listens(workers[1], { ...options, port, exclusive: true })
  const isOwn = port !== second.place?.port
  const answers = [await allAnswer(workers.slice(0, 1), port), await allAnswer(workers.slice(1), second.place?.port ?? 0)]
  const closes = await ask(workers[0], { order: 'close' })
  await isFree(port)
  const taken = shown(await listens(workers[1], { ...options, port, exclusive: true }))
  const afterwards = await allAnswer(workers.slice(1), port)
  for (let left = 2; left > 0; left--) await ask(workers[1], { order: 'close' })
  return [shown(first), shown(second), rival.error, isOwn, answers, closes, taken, afterwards, await ended(workers)]
}

function served(kind: Kind): () => Promise<unknown> {
  return async () => {
    const { workers, port } = await sharing(2, { port: 0, host: HOST }, kind)
    return [await allAnswer(workers, port, HOST, kind), await ended(workers)]
  }
}

await runCases({
  'every address: port 0, localhost too': async () => {
    const { workers, port } = await sharing(2, { port: 0 })
    return [await allAnswer(workers, port), await allAnswer(workers, port, '127.0.0.1'), await ended(workers)]
  },

  'every address of IPv4: a port that is named, localhost too': async () => {
    const { workers, port } = await sharing(2, { port: await freePort(), host: '0.0.0.0' })
    return [await allAnswer(workers, port), await allAnswer(workers, port, '127.0.0.1'), await ended(workers)]
  },

  'localhost alone: it is the kernel\'s': async () => {
    const { workers, port } = await sharing(2, { port: 0, host: '127.0.0.1' })
    return [await allAnswer(workers, port, '127.0.0.1'), await refusal(port), await ended(workers)]
  },

  'exclusive, on one address': () => alone({ port: 0, host: HOST }),
  'exclusive, on every address': () => alone({ port: 0 }),

  'reusePort: workers share a port': async () => {
    const { workers, port } = await sharing(2, { port: await freePort(), host: HOST, reusePort: true } as ListenOptions)
    const seen = await allAnswer(workers, port)
    // Node does not close them when their worker disconnects.
    for (const worker of workers) await ask(worker, { order: 'close' })
    return [seen, await ended(workers)]
  },

  'addresses are those of the client': async () => {
    const { workers, port } = await sharing(1, { port: 0, host: HOST }, 'names')
    const socket = net.connect(port, HOST)
    const connected = next(socket, 'connect').then(() => [socket.localAddress, socket.localPort, socket.remoteAddress, socket.remotePort])
    const told = JSON.parse((await collect(socket)).toString()) as unknown[]
    return [JSON.stringify(told) === JSON.stringify(await connected), await ended(workers)]
  },

  'a server is closed and listens again; nobody listens in between': async () => {
    const { workers, port } = await sharing(2, { port: 0, host: HOST })
    const first = await ask(workers[0], { order: 'close' })
    const rest = await allAnswer(workers.slice(1), port)
    const last = await ask(workers[1], { order: 'close' })
    await isFree(port)
    const again = shown(await listens(workers[0], { port, host: HOST }))
    return [first, rest, last, again, await allAnswer(workers.slice(0, 1), port), await ended(workers)]
  },

  'the port of the workers, and one that the primary has': async () => {
    const { workers, port } = await sharing(1, { port: 0, host: HOST })
    const rival = net.createServer()
    rival.listen(port, HOST)
    const refused = errorOf(await next(rival, 'error'))
    const own = http.createServer((_, response) => response.end('primary'))
    const ownPort = await listen(own, HOST)
    const worker = await listens(workers[0], { port: ownPort, host: HOST })
    const seen = [refused, worker.error, await get.http(ownPort, HOST), await ended(workers)]
    await closed(own)
    await isFree(port)
    own.listen(port, HOST)
    await next(own, 'listening')
    const after = await get.http(port, HOST)
    await closed(own)
    return [seen, after]
  },

  'two servers of a worker on one port: the second is refused, also beside every address': async () => {
    const { workers, port } = await sharing(1, { port: 0, host: HOST })
    const rivals = [await listens(workers[0], { port, host: HOST }), await listens(workers[0], { port })]
    const again = shown(await listens(workers[0], { port: 0, host: HOST }))
    return [rivals.map(({ error }) => error), again, await allAnswer(workers, port), await ended(workers)]
  },

  'a worker that disconnects finishes what it has': async () => {
    const { workers, port } = await sharing(1, { port: 0, host: HOST }, 'echo')
    const socket = await opened(port)
    await next(socket, 'data')
    const exit = next(workers[0], 'exit')
    const gone = next(workers[0], 'disconnect')
    workers[0].send({ order: 'leave' } satisfies Order)
    await isFree(port)
    socket.end('behind')
    const text = (await collect(socket)).toString()
    await gone
    return [text, await exit, workers[0].exitedAfterDisconnect]
  },

  'cluster.disconnect': async () => {
    const { workers, port } = await sharing(3, { port: 0, host: HOST })
    const exits = Promise.all(workers.map((worker) => next(worker, 'exit')))
    await new Promise<void>((resolve) => cluster.disconnect(resolve))
    await isFree(port)
    return [await exits, Object.keys(cluster.workers ?? {}).length]
  },

  'http2': served('http2'),
  ...(existsSync(certificate) ? { 'https': served('https'), 'http2 over TLS': served('http2s') } : {}),
})
