/**
 * Program for linux.test.ts: the thread that made the application accepts one connection, gives it away and ends; the other one echoes after that.
 * `outliving.js PORT`
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { accept, AF_INET, bind, close, give_fd, init, listen, recv, send, SOCK_STREAM, socket, take_fd, type HandedSocket } from 'tasjs/sockets'

type Share = ReturnType<ReturnType<typeof init>['share']>

function first(port: number): void {
  const share = init().share()
  const listener = socket(AF_INET, SOCK_STREAM)
  bind(listener, { address: '0.0.0.0', port })
  listen(listener, 8)
  parentPort?.postMessage({ share })
  const [given, kept] = [accept(listener), accept(listener)]
  send(kept, new TextEncoder().encode('kept'))
  parentPort?.postMessage({ handed: give_fd(given) })
}

function second(share: Share): void {
  init({ share })
  parentPort?.postMessage('listening')
  parentPort?.once('message', (handed: HandedSocket) => {
    const fd = take_fd(handed)
    parentPort?.postMessage('taken')
    const buffer = new Uint8Array(64)
    for (let len = recv(fd, buffer); len > 0; len = recv(fd, buffer)) send(fd, buffer.subarray(0, len))
    close(fd)
  })
}

function main(port: number): void {
  const maker = new Worker(new URL(import.meta.url), { workerData: port })
  let other: Worker | null = null
  let given: HandedSocket | null = null
  maker.on('message', ({ share, handed }: { share?: Share; handed?: HandedSocket }) => {
    if (handed !== undefined) given = handed
    if (share === undefined) return
    other = new Worker(new URL(import.meta.url), { workerData: share })
    other.on('message', (text: string) => console.log(text))
  })
  maker.on('exit', () => other?.postMessage(given))
}

if (isMainThread) main(Number(process.argv[2]))
else if (typeof workerData === 'number') first(workerData)
else second(workerData as Share)
