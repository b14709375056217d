/** What a program throws in a handler of a socket or server: where it is heard of, and in which async context. */
import { AsyncLocalStorage, createHook, executionAsyncId } from 'node:async_hooks'
import domain from 'node:domain'
import http from 'node:http'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { pair } from './pair.js'
import { closed, HOST, listen, next, runCases } from './runner.js'

const storage = new AsyncLocalStorage<string>()

/** The next uncaughtException, with the store that its listener finds. */
function nextUncaught(): Promise<string> {
  return new Promise((resolve) => {
    process.once('uncaughtException', (error) => resolve(`${error.message}: ${storage.getStore()}, ${executionAsyncId() > 0 ? 'in a callback' : 'in none'}`))
  })
}

/** What the listener finds when a client's handler of `event` throws, of a client made in the store `client`. */
async function thrownIn(event: string): Promise<string> {
  const server = net.createServer((socket) => socket.on('error', () => undefined).resume().end('x'))
  const port = await listen(server)
  const caught = nextUncaught()
  const socket = storage.run('client', () => net.connect(port, HOST).resume().once(event, () => { throw new Error(event) }).end('y'))
  const seen = await caught
  socket.destroy()
  await closed(server)
  return seen
}

/** Which domain hears of what `run` throws in a handler of a socket made in the domain `outer`; `inner` is another. */
async function heardBy(run: (inner: domain.Domain) => void, event = 'data'): Promise<string> {
  const server = net.createServer((socket) => socket.on('error', () => undefined).resume().end('x'))
  const port = await listen(server)
  const [outer, inner] = [domain.create(), domain.create()]
  const heard = new Promise<string>((resolve) => {
    outer.on('error', (error: Error) => resolve(`outer: ${error.message}`))
    inner.on('error', (error: Error) => resolve(`inner: ${error.message}, within ${Reflect.get(process, 'domain') === outer ? 'outer' : 'none'}`))
  })
  const socket = outer.run(() => net.connect(port, HOST).resume().once(event, () => run(inner)).end('y'))
  const seen = await heard
  socket.destroy()
  await closed(server)
  return seen
}

function fail(): never {
  throw new Error('of the program')
}

await runCases({
  'a handler of a client throws: uncaughtException -> with the store of the client': async () => {
    const seen: string[] = []
    for (const event of ['connect', 'data', 'end', 'close']) seen.push(await thrownIn(event))
    return seen
  },

  'the callback of a write throws: uncaughtException -> with its store': async () => {
    const { server, near, far } = await pair()
    const caught = nextUncaught()
    storage.run('write', () => near.write('x', fail))
    const seen = await caught
    near.destroy()
    far.destroy()
    await closed(server)
    return seen
  },

  'a server\'s handler throws: uncaughtException -> with the store that it has entered': async () => {
    const server = net.createServer((socket) => {
      socket.on('error', () => undefined).resume().end()
      storage.enterWith('connection')
      fail()
    })
    const port = await listen(server)
    const caught = nextUncaught()
    const socket = net.connect(port, HOST).resume()
    const seen = await caught
    socket.destroy()
    await closed(server)
    return seen
  },

  'a handler throws: what comes then -> not in its store': async () => {
    const { server, near, far } = await pair()
    const seen: unknown[] = []
    const caught = nextUncaught()
    far.once('data', () => {
      storage.enterWith('left')
      fail()
    })
    near.write('x')
    seen.push(await caught)
    const other = await pair()
    // Plain Node 24 finds one there that has been left long ago.
    other.far.on('data', () => seen.push(storage.getStore() !== 'left'))
    other.near.end('y')
    await next(other.far, 'end')
    for (const socket of [near, far, other.near, other.far]) socket.destroy()
    await Promise.all([closed(server), closed(other.server)])
    return seen
  },

  'a handler of an HTTP client throws: uncaughtException -> with the store of the request': async () => {
    const server = http.createServer((_request, response) => response.end('x'))
    const port = await listen(server)
    const caught = nextUncaught()
    const request = storage.run('request', () => http.get({ host: HOST, port, agent: false }, fail).on('error', () => undefined))
    const seen = await caught
    request.destroy()
    server.closeAllConnections()
    await closed(server)
    return seen
  },

  'a handler throws: a domain within the socket\'s -> the inner hears of it': async () => [
    await heardBy((inner) => inner.run(fail)),
    await heardBy((inner) => inner.bind(fail)()),
    await heardBy((inner) => inner.run(fail), 'connect'),
    await heardBy((inner) => inner.run(fail), 'close'),
    await heardBy(fail),
  ],

  'a handler throws, hooks: what is entered -> is left again': async () => {
    const open = new Map<number, number>()
    const count = (id: number, change: number): void => { open.set(id, (open.get(id) ?? 0) + change) }
    const { server, near, far } = await pair()
    const caught = nextUncaught()
    let socketId = 0
    far.once('data', () => {
      socketId = executionAsyncId()
      fail()
    })
    const hook = createHook({ before: (id) => count(id, 1), after: (id) => count(id, -1) }).enable()
    near.write('x')
    await caught
    await sleep(10)
    hook.disable()
    near.destroy()
    far.destroy()
    await closed(server)
    return open.get(socketId) ?? null
  },
})
