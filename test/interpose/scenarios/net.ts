/** `node:net`: what a program sees of servers, names, and the life of a connection. */
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import diagnostics from 'node:diagnostics_channel'
import domain from 'node:domain'
import net from 'node:net'
import { PerformanceObserver } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { collect, pair } from './pair.js'
import { closed, errorOf, HOST, listen, lookupOf, next, portOf, record, runCases } from './runner.js'

await runCases({
  'echo: events in order': async () => {
    const log: string[] = []
    const server = net.createServer((socket) => {
      record(socket, ['end', 'finish', 'close', 'error'], log, 'server ')
      socket.pipe(socket)
    })
    const port = await listen(server)
    const socket = net.connect(port, HOST)
    record(socket, ['lookup', 'connect', 'ready', 'end', 'finish', 'error'], log, 'client ')
    socket.end('hello')
    const isGone = new Promise((resolve) => server.once('connection', (far: net.Socket) => far.once('close', resolve)))
    const bytes = await collect(socket)
    await isGone
    await closed(server)
    // Which side is first is the scheduler's choice.
    const ofServer = log.filter((line) => line.startsWith('server'))
    return { text: bytes.toString(), client: log.filter((line) => line.startsWith('client')), server: ofServer }
  },

  'names of both ends': async () => {
    const { server, near, far } = await pair()
    const seen = {
      near: [near.remoteAddress === HOST, near.remoteFamily, near.remotePort === portOf(server), near.localFamily, typeof near.localPort],
      far: [far.remoteFamily, far.remoteAddress === `::ffff:${near.localAddress}`, far.remotePort === near.localPort, far.localFamily],
      address: Object.keys(near.address()), server: Object.values(server.address() ?? {}).slice(0, 2),
      states: [near.readyState, near.connecting, near.pending],
    }
    near.destroy()
    await next(far, 'close')
    await closed(server)
    return { ...seen, after: [near.remoteAddress === undefined, near.readyState, near.destroyed] }
  },

  'server on an address of its own': async () => {
    const server = net.createServer((socket) => socket.end('x'))
    const port = await listen(server, HOST)
    const socket = net.connect(port, HOST)
    const text = (await collect(socket)).toString()
    await closed(server)
    return text
  },

  'localhost reaches a server on every address': async () => {
    const server = net.createServer((socket) => socket.end(socket.remoteFamily ?? ''))
    const port = await listen(server)
    const texts = []
    for (const host of ['127.0.0.1', 'localhost']) texts.push((await collect(net.connect(port, host))).toString())
    await closed(server)
    return texts
  },

  'connection refused': async () => {
    const server = net.createServer()
    const port = await listen(server)
    await closed(server)
    const socket = net.connect(port, HOST)
    const log: string[] = []
    record(socket, ['connectionAttempt', 'connectionAttemptFailed', 'connect', 'error', 'close'], log)
    const error = await next(socket, 'error')
    await next(socket, 'close')
    return { error: errorOf(error), log, isPort: (error as { port?: number }).port === port }
  },

  'port in use': async () => {
    const first = net.createServer()
    const port = await listen(first)
    const second = net.createServer()
    second.listen(port)
    const error = await next(second, 'error')
    const third = net.createServer()
    third.listen(port, HOST)
    const other = await next(third, 'error')
    await closed(first)
    const fourth = net.createServer()
    fourth.listen(port)
    await next(fourth, 'listening')
    await closed(fourth)
    return [errorOf(error), errorOf(other)]
  },

  'address of somebody else': async () => {
    const server = net.createServer()
    server.listen(0, '192.0.2.1')
    return errorOf(await next(server, 'error'))
  },

  'address() at once after listen': async () => {
    const server = net.createServer()
    server.listen(0)
    const address = server.address() as net.AddressInfo
    const isGood = address.port > 0 && server.listening
    await next(server, 'listening')
    const same = portOf(server) === address.port
    assert.throws(() => server.listen(0), { code: 'ERR_SERVER_ALREADY_LISTEN' })
    await closed(server)
    return [isGood, same, server.listening, server.address()]
  },

  'end before connect': async () => {
    const server = net.createServer((socket) => socket.pipe(socket))
    const port = await listen(server)
    const socket = new net.Socket()
    socket.connect(port, HOST)
    socket.end('early')
    const text = (await collect(socket)).toString()
    await closed(server)
    return text
  },

  'destroy before connect': async () => {
    const server = net.createServer()
    const port = await listen(server)
    const log: string[] = []
    const socket = net.connect(port, HOST)
    record(socket, ['connect', 'error', 'close'], log)
    socket.destroy()
    await next(socket, 'close')
    await closed(server)
    return log
  },

  'connect again after close': async () => {
    const server = net.createServer((socket) => socket.end('once'))
    const port = await listen(server)
    const socket = new net.Socket()
    const texts = []
    for (let i = 0; i < 2; i++) {
      socket.connect(port, HOST)
      let text = ''
      const onData = (bytes: Buffer): void => { text += bytes.toString() }
      socket.on('data', onData)
      await next(socket, 'close')
      socket.off('data', onData)
      texts.push(text)
    }
    await closed(server)
    return texts
  },

  'timeout of an idle socket': async () => {
    const { server, near, far } = await pair()
    near.setTimeout(50)
    await next(near, 'timeout')
    near.destroy()
    far.destroy()
    await closed(server)
    return near.timeout
  },

  'AbortSignal ends a connect and a server': async () => {
    const server = net.createServer()
    const abort = new AbortController()
    server.listen({ port: 0, signal: abort.signal })
    await next(server, 'listening')
    const socket = net.connect({ port: portOf(server), host: HOST, signal: AbortSignal.abort() })
    const error = errorOf(await next(socket, 'error'))
    abort.abort()
    await next(server, 'close')
    return [error.code, error.message]
  },

  'maxConnections: drop': async () => {
    const server = net.createServer()
    server.maxConnections = 1
    const port = await listen(server)
    const first = net.connect(port, HOST)
    await next(server, 'connection')
    const dropped = next(server, 'drop')
    const second = net.connect(port, HOST)
    second.on('error', () => undefined)
    second.resume()
    const data = await dropped as Record<string, unknown>
    await next(second, 'close')
    first.destroy()
    await closed(server)
    return [Object.keys(data).sort(), data['remoteFamily'], data['localPort'] === port]
  },

  'BlockList sees addresses': async () => {
    const { server, near, far } = await pair()
    const list = new net.BlockList()
    list.addAddress(near.localAddress ?? '', 'ipv4')
    const seen = [list.check(far.remoteAddress ?? '', 'ipv6'), list.check(near.localAddress ?? '')]
    near.destroy()
    far.destroy()
    await closed(server)
    return seen
  },

  'happy eyeballs: the second address of a name': async () => {
    const server = net.createServer((socket) => socket.end('here'))
    const port = await listen(server)
    const socket = net.connect({
      port, host: 'two.example', autoSelectFamily: true,
      lookup: lookupOf(['192.0.2.1', HOST]),
    })
    const log: string[] = []
    socket.on('connectionAttempt', (address: string) => log.push(address === HOST ? 'HOST' : address))
    const text = (await collect(socket)).toString()
    await closed(server)
    return [text, log.at(-1)]
  },

  'lookup of a name': async () => {
    const server = net.createServer((socket) => socket.end('named'))
    const port = await listen(server)
    const socket = net.connect({ port, host: 'one.example', lookup: lookupOf([HOST]) })
    const [text, name] = await Promise.all([collect(socket), next(socket, 'lookup')])
    await closed(server)
    return [text.toString(), name]
  },

  'local address and port': async () => {
    const server = net.createServer((socket) => socket.end(String(socket.remotePort)))
    const port = await listen(server)
    const probe = net.createServer()
    const localPort = await listen(probe, HOST)
    await closed(probe)
    const socket = net.connect({ port, host: HOST, localAddress: HOST, localPort })
    const text = (await collect(socket)).toString()
    await closed(server)
    return [text === String(localPort), socket.destroyed]
  },

  'AsyncLocalStorage follows a connection': async () => {
    const storage = new AsyncLocalStorage<string>()
    const server = net.createServer()
    const seen: Record<string, unknown> = {}
    storage.run('server', () => {
      server.on('connection', (socket) => {
        seen['connection'] = storage.getStore() ?? null
        socket.on('data', () => {
          seen['server data'] = storage.getStore() ?? null
          socket.end('x')
        })
      })
      server.listen(0)
    })
    await next(server, 'listening')
    await storage.run('client', async () => {
      const socket = net.connect(portOf(server), HOST, () => { seen['connect'] = storage.getStore() ?? null })
      socket.on('data', () => { seen['client data'] = storage.getStore() ?? null })
      socket.on('close', () => { seen['close'] = storage.getStore() ?? null })
      socket.write('y')
      await next(socket, 'close')
    })
    await closed(server)
    return seen
  },

  'an exception in a handler does not stop anything': async () => {
    const { server, near, far } = await pair()
    const caught = next(process, 'uncaughtException')
    far.once('data', () => { throw new Error('of the program') })
    near.write('one')
    const error = await caught
    let text = ''
    far.on('data', (bytes: Buffer) => { text += bytes.toString() })
    near.end('two')
    await next(far, 'end')
    await closed(server)
    return [(error as Error).message, text]
  },

  'ticks, promises and immediates around close': async () => {
    const { server, near, far } = await pair()
    const log: string[] = []
    far.on('close', () => undefined)
    near.on('close', () => log.push('close'))
    near.destroy()
    process.nextTick(() => log.push('tick'))
    void Promise.resolve().then(() => log.push('promise'))
    setImmediate(() => log.push('immediate'))
    await next(near, 'close')
    far.destroy()
    await closed(server)
    return log
  },

  'from within an event: ticks, finish, immediates, close and a timer in their order': async () => {
    const { server, near, far } = await pair()
    const other = await pair()
    const log: string[] = []
    far.on('finish', () => log.push('finish'))
    other.near.on('close', () => log.push('close'))
    const isOver = new Promise((resolve) => far.once('data', () => {
      setTimeout(() => resolve(log.push('timer')), 1)
      setImmediate(() => log.push('immediate'))
      process.nextTick(() => log.push('tick'))
      far.end()
      other.near.destroy()
      setImmediate(() => log.push('second immediate'))
    }))
    near.write('x')
    await isOver
    for (const socket of [near, other.far]) socket.destroy()
    await Promise.all([closed(server), closed(other.server)])
    return log
  },

  'in an event: nobody but the program has an Immediate': async () => {
    const { server, near, far } = await pair()
    const immediates = (): string[] => process.getActiveResourcesInfo().filter((name) => name === 'Immediate')
    const seen = new Promise((resolve) => far.once('data', () => {
      const before = immediates().length
      setImmediate(() => undefined)
      resolve([before, immediates().length])
    }))
    near.write('x')
    const counts = await seen
    for (const socket of [near, far]) socket.destroy()
    await closed(server)
    return counts
  },

  'domain entered and not left while bytes come: no warning': async () => {
    const { server, near, far } = await pair()
    const warnings: string[] = []
    const note = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', note)
    const entered = domain.create()
    entered.enter()
    near.write('x')
    await next(far, 'data')
    entered.exit()
    await sleep(1)
    process.off('warning', note)
    for (const socket of [near, far]) socket.destroy()
    await closed(server)
    return warnings
  },

  'several closed in a turn: ticks come behind each close': async () => {
    const pairs = [await pair(), await pair(), await pair()]
    const log: string[] = []
    pairs.forEach(({ near }, index) => near.on('close', () => {
      log.push(`close ${index}`)
      process.nextTick(() => log.push(`tick ${index}`))
      void Promise.resolve().then(() => log.push(`promise ${index}`))
    }))
    const ends = pairs.map(({ near }) => next(near, 'close'))
    for (const { near } of pairs) near.destroy()
    setImmediate(() => log.push('immediate'))
    await Promise.all(ends)
    for (const { far } of pairs) far.destroy()
    await Promise.all(pairs.map(({ server }) => closed(server)))
    return log
  },

  'several closed in a turn: an exception stops none': async () => {
    const pairs = [await pair(), await pair(), await pair()]
    const log: string[] = []
    const caught = next(process, 'uncaughtException')
    const ends = pairs.map(({ near }) => next(near, 'close'))
    pairs.forEach(({ near }, index) => near.on('close', () => {
      log.push(`close ${index}`)
      if (index === 1) throw new Error('of the program')
    }))
    for (const { near } of pairs) near.destroy()
    const error = await caught
    await Promise.all(ends)
    for (const { far } of pairs) far.destroy()
    await Promise.all(pairs.map(({ server }) => closed(server)))
    return [(error as Error).message, log]
  },

  'options are taken': async () => {
    const { server, near, far } = await pair({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 5000 }, { noDelay: true, keepAlive: true })
    near.setNoDelay(false).setKeepAlive(true, 3000).setKeepAlive(false)
    near.end('x')
    const text = (await collect(far)).toString()
    await closed(server)
    return text
  },

  'diagnostics channels and performance entries': async () => {
    const log: string[] = []
    const note = (_message: unknown, name: string | symbol): number => log.push(String(name))
    for (const name of ['net.client.socket', 'net.server.socket']) diagnostics.subscribe(name, note)
    const observer = new PerformanceObserver(() => undefined)
    observer.observe({ entryTypes: ['net'] })
    const { server, near, far } = await pair()
    await sleep(10)
    const entries = observer.takeRecords().map(({ name, entryType }) => `${entryType} ${name}`)
    observer.disconnect()
    near.destroy()
    far.destroy()
    await closed(server)
    for (const name of ['net.client.socket', 'net.server.socket']) diagnostics.unsubscribe(name, note)
    return [log.sort(), entries]
  },

  'getConnections and instanceof': async () => {
    const { server, near, far } = await pair()
    const count = await new Promise((resolve, reject) => server.getConnections((error, n) => (error === null ? resolve(n) : reject(error))))
    const seen = [count, near instanceof net.Socket, far instanceof net.Socket]
    near.end()
    far.resume().end()
    await closed(server)
    return seen
  },

  'many connections at once': async () => {
    const server = net.createServer((socket) => socket.pipe(socket))
    const port = await listen(server)
    const texts = await Promise.all(Array.from({ length: 200 }, async (_, i) => {
      const socket = net.connect(port, HOST)
      socket.end(`number ${i}`)
      return (await collect(socket)).toString()
    }))
    await closed(server)
    return texts.every((text, i) => text === `number ${i}`)
  },
})
