/** Sockets and servers that are sent to other processes by `process.send`. Who sends is this process, unless a case says otherwise. */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { closed, HOST, listen, next, portOf, runCases } from './runner.js'
import { beReceiver, type Orders } from './receiver.js'

const self = fileURLToPath(import.meta.url)
const ROLE = 'SCENARIO_ROLE'
const data = Buffer.alloc(8_000_000, 'to another process ')

type Serialization = 'json' | 'advanced'

async function receiver(serialization: Serialization = 'json'): Promise<ChildProcess> {
  const child = fork(self, { env: { ...process.env, [ROLE]: 'receiver' }, serialization })
  await next(child, 'message')
  return child
}

/** Sends what has come to `child`, with what it is to do with it. */
function send(child: ChildProcess, order: Orders, handle: net.Socket | net.Server, keepOpen = false): Promise<void> {
  return new Promise((resolve, reject) => {
    child.send({ order }, handle, { keepOpen }, (error) => (error === null ? resolve() : reject(error)))
  })
}

async function ended(child: ChildProcess): Promise<unknown> {
  const exit = next(child, 'exit')
  child.disconnect()
  return exit
}

interface Sent {
  readonly child: ChildProcess
  readonly server: net.Server
  readonly client: net.Socket
}

/** A connection whose server's end is with a child, which does `order` with it. `first` is written before it is accepted. */
async function sent(order: Orders, serialization: Serialization = 'json', first = ''): Promise<Sent> {
  const child = await receiver(serialization)
  const server = net.createServer({ pauseOnConnect: true })
  const port = await listen(server)
  const accepted = next(server, 'connection') as Promise<net.Socket>
  const client = net.connect(port, HOST)
  client.write(first)
  await send(child, order, await accepted)
  return { child, server, client }
}

/** Ends what `sent` has begun; returns whether server and child came to a good end. */
async function over({ child, server }: Sent): Promise<unknown[]> {
  await closed(server)
  return [server.listening, await ended(child)]
}

async function collect(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = []
  stream.on('data', (bytes: Buffer) => chunks.push(bytes))
  await next(stream, 'end')
  return Buffer.concat(chunks)
}

async function codeOf(emitter: NodeJS.EventEmitter): Promise<string | undefined> {
  return (await next(emitter, 'error') as NodeJS.ErrnoException).code
}

async function get(port: number, host = HOST): Promise<string> {
  const [response] = await once(http.get({ host, port, agent: false }), 'response') as [http.IncomingMessage]
  return (await collect(response)).toString()
}

/** Whether nobody listens, at the latest soon: what another process has closed, TAS hears of a moment later. */
async function isRefused(port: number, host: string): Promise<boolean> {
  for (let tries = 0; tries < 50; tries++) {
    if (await codeOf(net.connect(port, host)) === 'ECONNREFUSED') return true
  }
  return false
}

/** Waits until what another process has closed gets no connections any more. */
async function isNoticed(port: number): Promise<void> {
  for (let inRow = 0; inRow < 10;) inRow = await get(port).then(() => inRow + 1, () => 0)
}

/** A server that a child serves as well, at first beside this process, at last alone. */
async function sharedServer(address: string | undefined, serialization: Serialization, host: string): Promise<unknown[]> {
  const child = await receiver(serialization)
  const server = http.createServer((_, response) => response.end(`${process.pid}`))
  const port = await listen(server, address)
  await send(child, 'serve', server)
  const reported = await next(child, 'message') as { port: number }
  const both = []
  for (let i = 0; i < 20; i++) both.push(await get(port, host))
  await closed(server)
  const alone = []
  for (let i = 0; i < 5; i++) alone.push(await get(port, host))
  child.send('close')
  await next(child, 'message')
  return [
    reported.port === port, both.every((pid) => [`${process.pid}`, `${child.pid}`].includes(pid)), alone.every((pid) => pid === `${child.pid}`),
    await isRefused(port, host), await ended(child),
  ]
}

async function main(): Promise<void> {
  await runCases({
    'a socket: the child echoes, both ends see the true addresses': async () => {
      const connection = await sent('echo')
      const { child, client } = connection
      const names = await next(child, 'message') as Record<string, unknown>
      const own = [client.localAddress, client.localPort, client.remoteAddress, client.remotePort]
      client.end('hello')
      const text = (await collect(client)).toString()
      const seen = [names['remoteAddress'], names['remotePort'], names['localAddress'], names['localPort']].map(String)
      return [text, own.every((name, i) => seen[i].endsWith(String(name))), names['family'], await over(connection)]
    },

    'a socket: serialization advanced': async () => {
      const connection = await sent('echo', 'advanced')
      connection.client.end('hello')
      return [(await collect(connection.client)).toString(), await over(connection)]
    },

    'a socket: what nobody has read before comes along': async () => {
      const connection = await sent('echo', 'json', 'before, ')
      connection.client.end('behind')
      return [(await collect(connection.client)).toString(), await over(connection)]
    },

    'a socket: what has been read goes in the message': async () => {
      const child = await receiver()
      const server = net.createServer((socket) => socket.once('data', (head: Buffer) => {
        socket.pause()
        child.send({ order: 'echo', head: head.toString() }, socket)
      }))
      const client = net.connect(await listen(server), HOST, () => client.write('head, '))
      await next(client, 'data')
      client.end('tail')
      const text = (await collect(client)).toString()
      return [text, await over({ child, server, client })]
    },

    'a socket: much data, answered behind its end': async () => {
      const connection = await sent('hash')
      connection.client.end(data)
      const text = (await collect(connection.client)).toString()
      return [text === createHash('sha256').update(data).digest('hex'), await over(connection)]
    },

    'a socket: its client has ended, as this process has seen': async () => {
      const child = await receiver()
      const server = net.createServer({ allowHalfOpen: true })
      const client = net.connect({ port: await listen(server), host: HOST, allowHalfOpen: true })
      const socket = await next(server, 'connection') as net.Socket
      client.end()
      socket.resume()
      await next(socket, 'end')
      await send(child, 'hash', socket)
      const text = (await collect(client)).toString()
      return [text === createHash('sha256').digest('hex'), await over({ child, server, client })]
    },

    'a socket: much data from the child': async () => {
      const connection = await sent('pour')
      const got = await collect(connection.client)
      connection.client.end()
      return [got.length, await over(connection)]
    },

    'a socket: a child that does not read holds the client back': async () => {
      const connection = await sent('wait')
      const { child, client } = connection
      let isWritten = false
      for (let i = 0; i < 8; i++) client.write(data, () => { isWritten = i === 7 })
      await next(child, 'message')
      const before = [isWritten, client.writableNeedDrain]
      client.end()
      child.send('go')
      return [before, (await collect(client)).toString(), isWritten, await over(connection)]
    },

    'a socket: reset by the client': async () => {
      const connection = await sent('report')
      await next(connection.child, 'message')
      connection.client.resetAndDestroy()
      return [await next(connection.child, 'message'), await over(connection)]
    },

    'a socket: reset by the child': async () => {
      const connection = await sent('reset')
      return [await codeOf(connection.client), await over(connection)]
    },

    'a socket: destroyed by the child, the client goes on writing': async () => {
      const connection = await sent('destroy')
      const { client } = connection
      client.resume()
      await next(client, 'end')
      return [client.destroyed, await over(connection)]
    },

    'a socket: the child is killed': async () => {
      const { child, server, client } = await sent('report')
      await next(child, 'message')
      const close = closed(server)
      child.kill('SIGKILL')
      client.resume()
      await next(client, 'end')
      await close
      return client.readableEnded
    },

    'a socket: keepOpen, both processes write': async () => {
      const child = await receiver()
      const server = net.createServer()
      const client = net.connect(await listen(server), HOST)
      const socket = await next(server, 'connection') as net.Socket
      await send(child, 'write', socket, true)
      await next(child, 'message')
      const names = [socket.remotePort === client.localPort, socket.localPort === client.remotePort]
      socket.end('parent')
      const text = (await collect(client)).toString()
      return [text, names, await over({ child, server, client })]
    },

    'a socket that has connected': async () => {
      const child = await receiver()
      const server = net.createServer()
      const accepted = next(server, 'connection') as Promise<net.Socket>
      const socket = net.connect(await listen(server), HOST)
      await next(socket, 'connect')
      await send(child, 'write', socket)
      const peer = await accepted
      await next(peer, 'data')
      peer.end()
      return over({ child, server, client: socket })
    },

    'a socket: there and back': async () => {
      const connection = await sent('return')
      const { child, client } = connection
      const socket = await new Promise<net.Socket>((resolve) => child.once('message', (_, handle) => resolve(handle as net.Socket)))
      const isSame = socket.remotePort === client.localPort
      socket.end('back')
      const text = (await collect(client)).toString()
      socket.resume()
      return [text, isSame, await ended(child)]
    },

    'a socket: a web server in the child takes it': async () => {
      const connection = await sent('web')
      connection.client.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
      const text = (await collect(connection.client)).toString()
      return [text.startsWith('HTTP/1.1 200 OK'), text.endsWith('web'), await over(connection)]
    },

    'a socket: the server\'s own count and close know of it': async () => {
      const connection = await sent('echo')
      const { server, client } = connection
      const count = await new Promise((resolve) => server.getConnections((_, number) => resolve(number)))
      let isClosed = false
      const close = closed(server).then(() => { isClosed = true })
      const before = isClosed
      client.end('x')
      await collect(client)
      await close
      return [count, before, isClosed, await ended(connection.child)]
    },

    'a socket: the sender has nothing else to do': async () => {
      const parent = spawn(process.execPath, [...process.execArgv, self], {
        env: { ...process.env, [ROLE]: 'parent' }, stdio: ['ignore', 'pipe', 'inherit'],
      })
      const port = Number(String(await next(parent.stdout, 'data')))
      const client = net.connect(port, HOST)
      await next(parent.stdout, 'data')
      client.end(data.subarray(0, 1_000_000))
      return (await collect(client)).length
    },

    'a socket: a child without interposition': async () => {
      const env = { ...process.env, NODE_OPTIONS: '', [ROLE]: 'receiver' }
      const child = fork(self, { env, execArgv: [] })
      await next(child, 'message')
      const server = net.createServer({ pauseOnConnect: true })
      const client = net.connect(await listen(server), HOST)
      await send(child, 'hash', await next(server, 'connection') as net.Socket)
      client.end(data)
      const text = (await collect(client)).toString()
      return [text === createHash('sha256').update(data).digest('hex'), await over({ child, server, client })]
    },

    'a server on one address': () => sharedServer(HOST, 'json', HOST),
    'a server on one address, serialization advanced': () => sharedServer(HOST, 'advanced', HOST),
    'a server on every address': () => sharedServer(undefined, 'json', HOST),
    'a server on every address, localhost': () => sharedServer(undefined, 'json', '127.0.0.1'),

    'a server: the child closes it, this process goes on': async () => {
      const child = await receiver()
      const server = http.createServer((_, response) => response.end('parent'))
      const port = await listen(server, HOST)
      await send(child, 'serve', server)
      await next(child, 'message')
      child.send('close')
      await next(child, 'message')
      await isNoticed(port)
      const texts = []
      for (let i = 0; i < 5; i++) texts.push(await get(port))
      const rival = net.createServer()
      rival.listen(port, HOST)
      const error = await codeOf(rival)
      await closed(server)
      return [texts, error, await ended(child)]
    },
  })
}

/** Sends a connection away and is done. */
async function beParent(): Promise<void> {
  const child = await receiver()
  const server = net.createServer({ pauseOnConnect: true })
  console.log(await listen(server))
  await send(child, 'echo', await next(server, 'connection') as net.Socket)
  server.close()
  await next(child, 'message')
  console.log('sent')
  child.disconnect()
}

const role = process.env[ROLE]
if (role === 'receiver') beReceiver(portOf)
else if (role === 'parent') await beParent()
else await main()
