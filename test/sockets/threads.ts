/** Program for linux.test.ts: threads that share a port (SO_REUSEPORT), each blocking in accept, recv and send. `threads.js PORT COUNT` */
import { isMainThread, parentPort, threadId, Worker, workerData } from 'node:worker_threads'
import { Tas } from 'tasjs'
import {
  accept, AF_INET, bind, close, connectionOf, init, listen, recv, send, setsockopt, SO_REUSEPORT, SOCK_STREAM, socket, SocketError, SOL_SOCKET,
} from 'tasjs/sockets'

/** Takes connections and says in each, once for each message, which thread it is. */
function serve(port: number, tell: (text: string) => void): void {
  // A Tas of the package `tasjs`: both packages must have the same modules.
  const tas = Tas.connect()
  init({ tas })
  const listener = socket(AF_INET, SOCK_STREAM)
  setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, 1)
  bind(listener, { address: '0.0.0.0', port })
  listen(listener, 64)
  tell(`listening ${listener}`)
  const buffer = new Uint8Array(1024)
  for (;;) {
    const fd = accept(listener)
    if (connectionOf(fd).context.tas !== tas) throw new Error('the connection belongs to another Tas')
    while (recv(fd, buffer) > 0) send(fd, new TextEncoder().encode(String(threadId)))
    close(fd)
  }
}

/** Other threads' descriptors are refused. */
function isForeign(fd: number): boolean {
  try {
    close(fd)
    return false
  } catch (error) {
    return error instanceof SocketError && error.code === 'EBADF'
  }
}

if (isMainThread) {
  const [port, count] = process.argv.slice(2).map(Number)
  let ready = 0
  for (let i = 0; i < count; i++) {
    new Worker(new URL(import.meta.url), { workerData: port }).on('message', (text: string) => {
      const fd = Number(text.split(' ')[1])
      if (!isForeign(fd)) throw new Error(`descriptor ${fd} of another thread was closed`)
      if (++ready === count) console.log('ready')
    })
  }
} else {
  serve(workerData as number, (text) => parentPort?.postMessage(text))
}
