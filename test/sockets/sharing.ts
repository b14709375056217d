/**
 * Program for linux.test.ts: threads that share an application. The main thread listens and never accepts; threads accept from its socket, and give
 * each connection on to the next thread after every message, and after every millisecond without one. `sharing.js PORT COUNT`
 */
import { isMainThread, type MessagePort, parentPort, receiveMessageOnPort, Worker, workerData } from 'node:worker_threads'
import {
  accept, AF_INET, bind, close, give_fd, init, listen, poll, POLLIN, recv, send, SOCK_NONBLOCK, SOCK_STREAM, socket, SocketError, take_fd,
  type HandedSocket,
} from 'tasjs/sockets'

type Share = ReturnType<ReturnType<typeof init>['share']>

interface Start {
  readonly share: Share
  readonly listener: HandedSocket
  readonly fd: number
}

/** A message that is given on. */
interface Given {
  readonly socket: HandedSocket
}

const code = (act: () => unknown): string => {
  try {
    act()
    return ''
  } catch (error) {
    if (error instanceof SocketError) return error.code
    throw error
  }
}

/** Echoes what comes on `fd` within a moment. Returns false at the end. */
function echo(fd: number, buffer: Uint8Array): boolean {
  if (poll([{ fd, events: POLLIN, revents: 0 }], 1) === 0) return true
  const len = recv(fd, buffer)
  for (let sent = 0; sent < len;) sent += send(fd, buffer.subarray(sent, len))
  return len > 0
}

function work({ share, listener, fd }: Start, main: MessagePort): void {
  init({ share })
  // The number alone is no socket here, and does no harm.
  const refusals = [code(() => recv(fd, new Uint8Array(1))), code(() => { close(fd) })]
  if (refusals.join() !== 'EBADF,EBADF') throw new Error(`descriptor ${fd} works in two threads`)
  const waiting = take_fd(listener)
  const buffer = new Uint8Array(65_536)
  main.postMessage('ready')
  for (;;) {
    const given = receiveMessageOnPort(main) as { message: Given } | undefined
    let connection = -1
    if (given !== undefined) connection = take_fd(given.message.socket)
    else if (poll([{ fd: waiting, events: POLLIN, revents: 0 }], 1) === 1) connection = accept(waiting)
    else continue
    if (echo(connection, buffer)) main.postMessage({ socket: give_fd(connection) } satisfies Given)
    else close(connection)
  }
}

function start(port: number, count: number): void {
  const share = init().share()
  const fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK)
  bind(fd, { address: '0.0.0.0', port })
  listen(fd, 64)
  const listener = give_fd(fd)
  let ready = 0
  const workers = Array.from({ length: count }, () => new Worker(new URL(import.meta.url), { workerData: { share, listener, fd } satisfies Start }))
  workers.forEach((worker, i) => worker.on('message', (message: 'ready' | Given) => {
    if (message === 'ready') ready++
    else workers[(i + 1) % count].postMessage(message)
    if (message === 'ready' && ready === count) console.log('ready')
  }))
}

if (isMainThread) start(Number(process.argv[2]), Number(process.argv[3]))
else if (parentPort !== null) work(workerData as Start, parentPort)
