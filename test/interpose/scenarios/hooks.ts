/** What hooks of `async_hooks`, AsyncLocalStorage and tools that ask for active handles see of connections. */
import { AsyncLocalStorage, createHook, executionAsyncResource } from 'node:async_hooks'
import { spawn } from 'node:child_process'
import http from 'node:http'
import net from 'node:net'
import { collect, pair } from './pair.js'
import { closed, HOST, listen, next, portOf, runCases } from './runner.js'

interface Resource {
  readonly type: string
  readonly trigger: number
  readonly shown: object
  readonly calls: string[]
}

/** Resources by async id, and ids that are entered without having been seen to begin. */
class Watch {
  readonly resources = new Map<number, Resource>()
  readonly strangers: number[] = []
  private readonly hook = createHook({
    init: (id, type, trigger, shown) => this.resources.set(id, { type, trigger, shown, calls: [] }),
    before: (id) => this.note(id, 'before'),
    destroy: (id) => this.note(id, 'destroy'),
  })

  start(): void {
    this.hook.enable()
  }

  stop(): void {
    this.hook.disable()
  }

  of(type: string): [number, Resource][] {
    return [...this.resources].filter(([, resource]) => resource.type === type)
  }

  private note(id: number, call: string): void {
    const resource = this.resources.get(id)
    // Promises older than the hooks are entered on plain Node as well.
    if (resource !== undefined) resource.calls.push(call)
    else if (call === 'before' && !(executionAsyncResource() instanceof Promise)) this.strangers.push(id)
  }
}

/** One connection without promises, which began before the hooks. `done` is called when it is gone at both ends. */
function connectOnce(address: string | undefined, done: () => void): void {
  let open = 3
  const gone = (): void => {
    if (--open === 0) setTimeout(done, 20)
  }
  const server = net.createServer((socket) => {
    socket.on('close', gone).resume().end('x')
    server.close(gone)
  })
  server.listen({ port: 0, ...(address === undefined ? {} : { host: address }) }, () => {
    const socket = net.connect(portOf(server), HOST, () => socket.on('close', gone).resume().end('y'))
  })
}

/** Names of active resources of TCP. */
function activeNames(): string[] {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP') || name === 'ConnectWrap').sort()
}

/** Waits for the end of what is closing. */
async function quiet(): Promise<void> {
  while (activeNames().length > 0) await new Promise(setImmediate)
}

function activeHandles(): unknown[] {
  return (process as unknown as { _getActiveHandles: () => unknown[] })._getActiveHandles()
}

/** Counts what ends without having begun, in a process that is new: what a process collects later may be older than its hooks. */
const UNBORN = `
  const begun = new Set()
  let unborn = 0
  require('node:async_hooks').createHook({ init: (id) => begun.add(id), destroy: (id) => { if (!begun.has(id)) unborn++ } }).enable()
  gc()
  let turns = 10
  const turn = () => turns-- > 0 ? setImmediate(turn) : process.stdout.write(String(unborn))
  turn()
`

await runCases({
  'hooks: one resource for each end, begun before it is entered, destroyed once': () => new Promise((resolve) => {
    const watch = new Watch()
    watch.start()
    connectOnce(HOST, () => {
      watch.stop()
      const types = ['TCPSERVERWRAP', 'TCPWRAP', 'TCPCONNECTWRAP', 'SHUTDOWNWRAP']
      const counts = types.map((type) => [type, watch.of(type).length])
      const destroys = types.map((type) => watch.of(type).map(([, { calls }]) => calls.filter((call) => call === 'destroy').length))
      resolve([counts, destroys, watch.strangers])
    })
  }),

  'hooks: what triggers what, and which object is shown': () => new Promise((resolve) => {
    const watch = new Watch()
    watch.start()
    connectOnce(HOST, () => {
      watch.stop()
      const [[serverId, server]] = watch.of('TCPSERVERWRAP')
      const [[nearId, near], [, far]] = watch.of('TCPWRAP')
      const [[, connect]] = watch.of('TCPCONNECTWRAP')
      const isHandle = [server, near, far].map(({ shown }) => 'hasRef' in shown && 'getAsyncId' in shown)
      resolve([far.trigger === serverId, connect.trigger === nearId, isHandle, 'oncomplete' in connect.shown, server.calls.includes('before')])
    })
  }),

  'hooks: a socket of an agent serves each request under an id of its own': async () => {
    const server = http.createServer((_request, response) => response.end('x'))
    const port = await listen(server)
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const destroyed: number[] = []
    const hook = createHook({ destroy: (id) => destroyed.push(id) }).enable()
    const ids: number[] = []
    for (let i = 0; i < 2; i++) {
      const response = await next(http.get({ host: HOST, port, agent }), 'response') as http.IncomingMessage
      const { _handle: handle } = response.socket as unknown as { _handle: { getAsyncId(): number } }
      ids.push(handle.getAsyncId())
      response.resume()
      await next(response, 'close')
      await new Promise(setImmediate)
    }
    hook.disable()
    agent.destroy()
    await closed(server)
    return [ids[0] !== ids[1], destroyed.includes(ids[0])]
  },

  'AsyncLocalStorage: callbacks of a write that waits and of the end': async () => {
    const storage = new AsyncLocalStorage<string>()
    const { server, near, far } = await storage.run('connect', () => pair())
    const seen: Record<string, unknown> = {}
    const written = new Promise<void>((resolve) => storage.run('write', () => near.write(Buffer.alloc(20_000_000), () => {
      seen['write'] = storage.getStore() ?? null
      resolve()
    })))
    far.resume()
    await written
    await new Promise<void>((resolve) => storage.run('end', () => near.end(() => {
      seen['end'] = storage.getStore() ?? null
      resolve()
    })))
    await closed(server)
    return seen
  },

  'AsyncLocalStorage: a connection does not inherit from whoever listens first or last': async () => {
    const storage = new AsyncLocalStorage<string>()
    const server = net.createServer()
    const port = await storage.run('listen', () => listen(server))
    const others = await Promise.all(['a', 'b'].map((name) => storage.run(name, async () => {
      const other = net.createServer()
      await listen(other, HOST)
      return other
    })))
    const seen = new Promise((resolve) => server.on('connection', (socket) => socket.on('data', () => {
      resolve(storage.getStore() ?? null)
      socket.end()
    })))
    const socket = net.connect(port, HOST)
    socket.end('x')
    await collect(socket)
    const store = await seen
    await Promise.all([server, ...others].map(closed))
    return store
  },

  'active handles and resources: sockets and servers that keep the process alive': async () => {
    await quiet()
    const before = activeNames()
    const { server, near, far } = await pair()
    await new Promise(setImmediate)
    const has = (): boolean[] => [server, near, far].map((one) => activeHandles().filter((handle) => handle === one).length === 1)
    const seen: unknown[] = [before, activeNames(), has()]
    near.unref()
    server.unref()
    seen.push(activeNames(), has())
    near.destroy()
    await next(far, 'close')
    await closed(server)
    await quiet()
    return [...seen, has()]
  },

  'hooks: a server on every address is one': async () => {
    const watch = new Watch()
    watch.start()
    const server = net.createServer().listen(0)
    await next(server, 'listening')
    watch.stop()
    await closed(server)
    // Node 24 shows its helpers, too.
    return Number(process.versions.node.split('.')[0]) >= 24 || watch.of('TCPSERVERWRAP').length
  },

  'active requests: a connect': async () => {
    await quiet()
    const server = net.createServer((socket) => socket.end())
    const port = await listen(server, HOST)
    const socket = net.connect(port, HOST)
    // The address is known in the next tick.
    await new Promise(process.nextTick)
    const seen = activeNames()
    await collect(socket)
    await closed(server)
    return seen
  },

  'hooks: nothing ends that was there before them': async () => {
    // --import would load modules by requests that are collected as well.
    const preloads = process.execArgv.map((argument) => argument.replace('--import', '--require'))
    const child = spawn(process.execPath, ['--expose-gc', ...preloads, '-e', UNBORN], { stdio: ['ignore', 'pipe', 'inherit'] })
    return String(await collect(child.stdout))
  },
})
