/** `node:net`: what a program sees that goes to the handle beneath a socket, or to the edge of what a socket can do. */
import assert from 'node:assert/strict'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { collect, pair } from './pair.js'
import { closed, errorOf, HOST, listen, next, portOf, runCases } from './runner.js'

interface Handle {
  close(callback?: () => void): void
  hasRef(): boolean
}

function handleOf(socket: net.Socket): Handle {
  return (socket as unknown as { _handle: Handle })._handle
}

const FAKED = ['setImmediate', 'setTimeout', 'setInterval', 'queueMicrotask'] as const

/** Runs `run` while the timers of the program are those of a test library, which do not go on by themselves. */
async function withFakeTimers<T>(run: () => Promise<T>): Promise<T> {
  const own = { ...globalThis }
  const standStill = (): object => ({ ref: () => undefined, unref: () => undefined, hasRef: () => true })
  for (const name of FAKED) Reflect.set(globalThis, name, standStill)
  const clock = performance.now
  Reflect.set(performance, 'now', () => 0)
  try {
    return await run()
  } finally {
    for (const name of FAKED) Reflect.set(globalThis, name, own[name])
    Reflect.set(performance, 'now', clock)
  }
}

await runCases({
  'fake timers: what has come while a socket paused, writes, ends and closes': async () => {
    const { server, near, far } = await pair()
    far.pause()
    near.write('hello')
    await sleep(20)
    const seen = await withFakeTimers(async () => {
      far.resume()
      const bytes = await next(far, 'data') as Buffer
      far.end('answer')
      const answer = (await collect(near)).toString()
      near.end()
      await next(far, 'close')
      return [bytes.toString(), answer]
    })
    await closed(server)
    return seen
  },

  'fake timers: a connection that is opened, and one that is refused': async () => {
    const server = net.createServer((socket) => socket.end('hello'))
    const port = await listen(server)
    const seen = await withFakeTimers(async () => {
      const texts = [(await collect(net.connect(port, HOST))).toString()]
      await closed(server)
      const error = errorOf(await next(net.connect(port, HOST), 'error'))
      return [texts, { ...error, message: '' }]
    })
    return seen
  },

  'write after the handle was closed': async () => {
    const { server, near, far } = await pair()
    handleOf(near).close()
    near.write('x')
    const error = errorOf(await next(near, 'error'))
    far.destroy()
    await closed(server)
    return error
  },

  'close of a handle: told, and no reference then': async () => {
    const { server, near, far } = await pair()
    const handle = handleOf(near)
    const told = new Promise<void>((resolve) => handle.close(resolve))
    const seen = [handle.hasRef()]
    await told
    near.destroy()
    far.destroy()
    await closed(server)
    return [...seen, handle.hasRef()]
  },

  'write of a string as if it were a buffer': async () => {
    const { server, near, far } = await pair()
    // Where Node knows no such encoding it is refused before it comes to the handle.
    const code = (error: NodeJS.ErrnoException): boolean => ['ERR_INVALID_ARG_TYPE', 'ERR_UNKNOWN_ENCODING'].includes(error.code ?? '')
    assert.throws(() => near.write('text', 'buffer' as BufferEncoding), (error) => error instanceof TypeError && code(error))
    near.destroy()
    far.destroy()
    await closed(server)
    return 'thrown'
  },

  'local port that a server of the program listens on': async () => {
    const server = net.createServer((socket) => socket.end('x'))
    const port = await listen(server, HOST)
    const other = net.createServer()
    const taken = await listen(other, HOST)
    const socket = net.connect({ port, host: HOST, localAddress: HOST, localPort: taken })
    const error = errorOf(await next(socket, 'error'))
    await closed(other)
    const again = net.connect({ port, host: HOST, localAddress: HOST, localPort: taken })
    const text = (await collect(again)).toString()
    await closed(server)
    return [error, text]
  },

  'local port of the server itself': async () => {
    const server = net.createServer((socket) => socket.end('x'))
    const port = await listen(server)
    const socket = net.connect({ port, host: HOST, localPort: portOf(server) })
    const error = errorOf(await next(socket, 'error'))
    await closed(server)
    return error
  },
})
