/** Clusters whose primary takes all connections and hands them to workers: with Linux it does, and with a TAS of the program's own. */
import cluster from 'node:cluster'
import type net from 'node:net'
import { ended, get, isFree, listens, opened, pidOf, sharing, shown } from './clustermembers.js'
import { HOST, next, runCases } from './runner.js'

const WAITING = 6

await runCases({
  'connections that no worker has got yet are not lost with one that is killed': async () => {
    const { workers, port } = await sharing(2, { port: 0, host: HOST }, 'echo')
    for (const worker of workers) worker.process.kill('SIGSTOP')
    const heard: string[] = []
    const sockets: net.Socket[] = []
    // The first and the second are on their way to a worker each.
    for (let i = 0; i < WAITING; i++) sockets.push(await opened(port))
    const answers = sockets.slice(1).map(async (socket) => heard.push(String(await next(socket, 'data'))))
    const exit = next(workers[0], 'exit')
    workers[0].process.kill('SIGKILL')
    await exit
    workers[1].process.kill('SIGCONT')
    await Promise.all(answers)
    for (const socket of sockets) socket.destroy()
    return [heard.every((pid) => pid === pidOf(workers[1])), heard.length, await ended(workers.slice(1))]
  },

  'workers take turns': async () => {
    const { workers, port } = await sharing(3, { port: 0, host: HOST })
    const pids: string[] = []
    for (let i = 0; i < 9; i++) pids.push(await get.http(port, HOST))
    return [workers.map((worker) => pids.filter((pid) => pid === pidOf(worker)).length), await ended(workers)]
  },

  'one server more on the same port, in the same worker': async () => {
    const { workers, port } = await sharing(1, { port: 0, host: HOST })
    return [shown(await listens(workers[0], { port, host: HOST })), await ended(workers)]
  },

  'a worker that is killed: what it has ends': async () => {
    const { workers, port } = await sharing(1, { port: 0, host: HOST }, 'echo')
    const socket = await opened(port)
    await next(socket, 'data')
    socket.resume()
    const exit = next(workers[0], 'exit')
    workers[0].process.kill('SIGKILL')
    await next(socket, 'end')
    await exit
    await isFree(port)
    return [workers[0].exitedAfterDisconnect, Object.keys(cluster.workers ?? {}).length]
  },
})
