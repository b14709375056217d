/** Sockets and servers that move to another thread by `postMessage`, from Node 24 on; older ones refuse, and the program keeps what it has. */
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { isMainThread, type MessagePort, parentPort, Worker } from 'node:worker_threads'
import { collect } from './pair.js'
import { closed, HOST, listen, next, portOf, runCases } from './runner.js'

const self = fileURLToPath(import.meta.url)
const data = Buffer.alloc(4_000_000, 'to another thread ')

interface Order {
  readonly socket?: net.Socket
  readonly server?: net.Server
}

function echo(socket: net.Socket): void {
  socket.on('data', (bytes) => socket.write(bytes)).on('end', () => socket.end()).on('error', () => undefined)
}

function take({ socket, server }: Order): void {
  if (socket !== undefined) {
    parentPort?.postMessage([socket.remoteAddress, socket.remotePort, socket.localAddress, socket.localPort])
    echo(socket)
  }
  server?.on('connection', echo).on('listening', () => parentPort?.postMessage(portOf(server)))
}

/** A message to `worker` with `moved`. Returns why it cannot be sent, or null. */
function move(worker: Worker, order: Order, moved: net.Socket | net.Server): unknown {
  try {
    worker.postMessage(order, [moved as unknown as MessagePort])
    return null
  } catch (error) {
    return error instanceof Error ? [error.name, (error as NodeJS.ErrnoException).code] : error
  }
}

interface Accepted {
  readonly server: net.Server
  readonly client: net.Socket
  readonly far: net.Socket
}

async function accepted(pauseOnConnect: boolean): Promise<Accepted> {
  const server = net.createServer({ pauseOnConnect })
  const port = await listen(server)
  const connection = next(server, 'connection') as Promise<net.Socket>
  const client = net.connect(port, HOST)
  await next(client, 'connect')
  return { server, client, far: await connection }
}

/** What comes back of `sent`. */
async function echoed(client: net.Socket, sent: Buffer): Promise<boolean> {
  const back = collect(client)
  client.end(sent)
  return (await back).equals(sent)
}

async function moveServer(address: string | undefined): Promise<unknown> {
  const worker = new Worker(self)
  let ownCount = 0
  const server = net.createServer((socket) => {
    ownCount++
    echo(socket)
  })
  const port = await listen(server, address)
  const refusal = move(worker, { server }, server)
  const isSame = refusal !== null || await next(worker, 'message') === port
  const isEchoed = await echoed(net.connect(port, HOST), Buffer.from('x'))
  const { listening } = server
  await worker.terminate()
  if (listening) await closed(server)
  return [refusal, isSame, isEchoed, listening, ownCount]
}

async function main(): Promise<void> {
  await runCases({
    'a socket: the thread echoes, both ends see the true addresses': async () => {
      const worker = new Worker(self)
      const { server, client, far } = await accepted(true)
      const names = [client.localAddress, client.localPort, client.remoteAddress, client.remotePort]
      const refusal = move(worker, { socket: far }, far)
      if (refusal !== null) far.pipe(far)
      const seen = refusal === null ? await next(worker, 'message') as unknown[] : names
      const isSame = names.every((name, i) => String(seen[i]).endsWith(String(name)))
      const isEchoed = await echoed(client, data)
      await closed(server)
      await worker.terminate()
      return [refusal, isSame, isEchoed]
    },

    'a socket that has been read: refused, and still of use': async () => {
      const worker = new Worker(self)
      const { server, client, far } = await accepted(false)
      client.write('x')
      await next(far, 'data')
      const refusal = move(worker, { socket: far }, far)
      echo(far)
      const isEchoed = await echoed(client, data)
      await closed(server)
      await worker.terminate()
      return [refusal, isEchoed]
    },

    'a socket whose thread is terminated: the connection ends': async () => {
      const worker = new Worker(self)
      const { server, client, far } = await accepted(true)
      const refusal = move(worker, { socket: far }, far)
      if (refusal === null) await next(worker, 'message')
      const isOver = next(client.resume(), 'close')
      await worker.terminate()
      if (refusal !== null) far.destroy()
      const hadError = await isOver
      await closed(server)
      return [refusal, hadError]
    },

    'a server on every address': () => moveServer(undefined),
    'a server on one address': () => moveServer(HOST),
  })
}

if (isMainThread) await main()
else parentPort?.on('message', take)
