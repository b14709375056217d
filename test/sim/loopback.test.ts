/** Connections that never leave the host: between applications, of one with itself, between addresses. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { slowCounter, type SlowCounter } from '../../lib/memif/index.js'
import { CONN_CLOSED, CONN_OPEN, CONN_RECEIVED, CONN_RXCLOSED, createEvents, LISTEN_ACCEPT, type Connection } from '../../lib/tas/index.js'
import { SimHost, type HostOptions } from './host.js'
import { SimNetwork } from './network.js'
import { Program, type Transfer } from './programs.js'
import { MINUTE_US, start, type Running } from './scene.js'

const IP = 0x0a000001
const OTHER_IP = 0x0a000101
const FAR_IP = 0x0a000002
const PORT = 80
const ECONNREFUSED = 111
const GAUGES: readonly SlowCounter[] = [
  'flowsSynSent', 'flowsSynReceived', 'flowsEstablished', 'flowsClosing', 'flowsTimeWait', 'bufferBytes', 'listeners', 'apps', 'contexts',
]

interface Lone {
  readonly net: SimNetwork
  readonly host: SimHost
}

function lone(seed: number, options: Partial<HostOptions> = {}): Lone {
  const net = new SimNetwork(seed)
  const host = new SimHost(net, { ip: IP, bufLen: 1 << 13, ...options })
  net.run(() => true, 0)
  net.framesSent = 0
  return { net, host }
}

function listen({ net }: Lone, { program }: Running, respond: () => Uint8Array, backlog = 32): void {
  program.listen(PORT, respond, backlog)
  expect(net.run(() => program.listening, MINUTE_US)).toBe(true)
}

const closed = (program: Program): Transfer[] => [...program.transfers.values()].filter((transfer) => transfer.closed)

/** Calls `act` after every `every` steps of the host: without a link between, all happens at one moment of virtual time. */
function interrupt(host: SimHost, every: number, act: () => void): void {
  const step = host.step.bind(host)
  let steps = 0
  host.step = (nowUs) => {
    if (++steps % every === 0) act()
    return step(nowUs)
  }
}

/** All programs end; then nothing of them may be left, and nothing has gone out. */
function expectNothingLeft({ net, host }: Lone, programs: readonly Running[]): void {
  expect([host.fastCount('appBadBumps'), host.slowCount('appBadRequests'), host.fastCount('dropLoopFull')]).toEqual([0, 0, 0])
  for (const running of programs) {
    running.hang()
    host.slow.apps.removeApp(running.app)
  }
  net.run(() => false, 10 * MINUTE_US)
  expect(GAUGES.map((name) => [name, host.counters[slowCounter(name)]])).toEqual(GAUGES.map((name) => [name, 0]))
  expect(host.fastCount('flows')).toBe(0)
  expect(host.slow.nextDeadlineUs()).toBe(Infinity)
  for (const { app } of programs) expect([app, host.workerKnows(app)]).toEqual([app, false])
  expect(net.framesSent).toBe(0)
}

function same(a: readonly number[], b: Uint8Array): boolean {
  return Buffer.compare(Uint8Array.from(a), b) === 0
}

describe('loopback', () => {
  it('two applications -> every byte, orderly end, no retransmission, no frame on the link', () => {
    const scene = lone(1)
    const [server, client] = [start(scene.host, 'server'), start(scene.host, 'client')]
    const [request, response] = [scene.net.random.bytes(300_000), scene.net.random.bytes(200_000)]
    listen(scene, server, () => response)
    const call = client.program.connect(IP, PORT, request)
    expect(scene.net.run(() => call.closed && closed(server.program).length === 1, MINUTE_US)).toBe(true)
    const [answer] = closed(server.program)
    expect([call.status, answer.status]).toEqual([0, 0])
    expect([same(call.received, response), same(answer.received, request)]).toEqual([true, true])
    expect([scene.host.slowCount('rtoTimeouts'), scene.host.fastCount('retransmits')]).toEqual([0, 0])
    expect(scene.host.fastCount('loopBytes')).toBeGreaterThan(500_000)
    expectNothingLeft(scene, [server, client])
  })

  it('an application with itself -> every byte', () => {
    const scene = lone(2)
    const both = start(scene.host, 'both')
    const [request, response] = [scene.net.random.bytes(50_000), scene.net.random.bytes(60_000)]
    listen(scene, both, () => response)
    const call = both.program.connect(IP, PORT, request)
    expect(scene.net.run(() => closed(both.program).length === 2, MINUTE_US)).toBe(true)
    const answer = closed(both.program).find((transfer) => transfer !== call)
    expect(same(call.received, response) && same(answer?.received ?? [], request)).toBe(true)
    expectNothingLeft(scene, [both])
  })

  it('nobody listens -> ECONNREFUSED', () => {
    const scene = lone(3)
    const client = start(scene.host, 'client')
    const call = client.program.connect(IP, PORT, new Uint8Array(1))
    expect(scene.net.run(() => call.closed, 1_000_000)).toBe(true)
    expect(call.status).toBe(ECONNREFUSED)
    expectNothingLeft(scene, [client])
  })

  it('a thousand connections at once -> each gets its own bytes', { timeout: 120_000 }, () => {
    const scene = lone(4, { flows: 4096, regionBytes: 1 << 26, bufLen: 1 << 12, fastEntries: 1024 })
    const [server, client] = [start(scene.host, 'server'), start(scene.host, 'client')]
    const response = scene.net.random.bytes(3_000)
    listen(scene, server, () => response, 1024)
    const requests = Array.from({ length: 1_000 }, () => scene.net.random.bytes(1 + scene.net.random.below(6_000)))
    const calls = requests.map((request) => client.program.connect(IP, PORT, request))
    const done = (): boolean => calls.every((call) => call.closed) && closed(server.program).length === calls.length
    expect(scene.net.run(done, 10 * MINUTE_US)).toBe(true)
    expect(calls.every((call) => call.status === 0 && same(call.received, response))).toBe(true)
    const got = closed(server.program).map(({ received }) => Buffer.from(received).toString('hex')).sort()
    expect(got).toEqual(requests.map((request) => Buffer.from(request).toString('hex')).sort())
    expectNothingLeft(scene, [server, client])
  })

  it('any sizes, any buffers -> every byte once and in order', { timeout: 600_000 }, () => {
    const sizes = fc.integer({ min: 0, max: 150_000 })
    const log2 = fc.integer({ min: 8, max: 17 })
    fc.assert(fc.property(fc.integer(), sizes, sizes, log2, fc.constantFrom(68, 576, 1500, 9000), (seed, up, down, bufLog2, mtu) => {
      const scene = lone(seed, { bufLen: 2 ** bufLog2, mtu })
      const [server, client] = [start(scene.host, 'server'), start(scene.host, 'client')]
      const [request, response] = [scene.net.random.bytes(up), scene.net.random.bytes(down)]
      listen(scene, server, () => response)
      const call = client.program.connect(IP, PORT, request)
      expect(scene.net.run(() => call.closed && closed(server.program).length === 1, 60 * MINUTE_US)).toBe(true)
      const [answer] = closed(server.program)
      expect([call.status, answer.status, same(call.received, response), same(answer.received, request)]).toEqual([0, 0, true, true])
      expectNothingLeft(scene, [server, client])
    }), { numRuns: Number(process.env.SIM_RUNS ?? 40) })
  })

  it('beside a faulty link, any seed -> inside and outside every byte', { timeout: 600_000 }, () => {
    fc.assert(fc.property(fc.integer(), fc.integer({ min: 1, max: 60_000 }), (seed, len) => {
      const scene = lone(seed)
      const far = start(new SimHost(scene.net, { ip: FAR_IP, bufLen: 1 << 13 }), 'far')
      const [server, near] = [start(scene.host, 'server'), start(scene.host, 'near')]
      const response = scene.net.random.bytes(len)
      listen(scene, server, () => response)
      scene.net.faults = { loss: 0.05, duplicate: 0.05, reorder: 0.2, reorderUs: 500, corrupt: 0.01, delayUs: 30 }
      const calls = [far, near, far, near].map(({ program }) => program.connect(IP, PORT, scene.net.random.bytes(len)))
      const done = (): boolean => calls.every((call) => call.closed) && closed(server.program).length === calls.length
      expect(scene.net.run(done, 60 * MINUTE_US)).toBe(true)
      expect(calls.map((call) => [call.status, same(call.received, response)])).toEqual(calls.map(() => [0, true]))
      expect(closed(server.program).map(({ status, received }) => [status, received.length])).toEqual(calls.map(() => [0, len]))
    }), { numRuns: Number(process.env.SIM_RUNS ?? 20) })
  })

  it('the other application is gone in the middle -> reset, its own end of all is freed', () => {
    for (const which of [0, 1]) {
      const scene = lone(5)
      const programs = [start(scene.host, 'server'), start(scene.host, 'client')]
      const [server, client] = programs
      listen(scene, server, () => scene.net.random.bytes(500_000))
      const call = client.program.connect(IP, PORT, scene.net.random.bytes(500_000))
      let isGone = false
      interrupt(scene.host, 1, () => {
        if (isGone || call.received.length < 50_000) return
        isGone = true
        programs[which].hang()
        scene.host.slow.apps.removeApp(programs[which].app)
      })
      const left = programs[1 - which].program
      expect(scene.net.run(() => closed(left).length === 1, 10 * MINUTE_US)).toBe(true)
      expect(closed(left)[0].status).not.toBe(0)
      expectNothingLeft(scene, [programs[1 - which]])
    }
  })

  it('a program that destroys its region while it sends to another -> others go on, at its end nothing is left', () => {
    fc.assert(fc.property(fc.integer(), (seed) => {
      const scene = lone(seed)
      const [server, good, bad] = ['server', 'good', 'bad'].map((name) => start(scene.host, name))
      const response = scene.net.random.bytes(40_000)
      listen(scene, server, () => response)
      const broken = [1, 2, 3].map(() => bad.program.connect(IP, PORT, scene.net.random.bytes(100_000)))
      const words = new Int32Array(bad.memory)
      let isHung = false
      interrupt(scene.host, 3, () => {
        if (!isHung && broken.every(({ connection }) => connection.state === 'open')) {
          bad.hang()
          isHung = true
        }
        if (isHung) for (let i = 0; i < 2_000; i++) words[scene.net.random.below(i % 2 === 0 ? 4_096 : words.length)] = scene.net.random.u32()
      })
      expect(scene.net.run(() => isHung, MINUTE_US)).toBe(true)
      const request = scene.net.random.bytes(40_000)
      const call = good.program.connect(IP, PORT, request)
      expect(scene.net.run(() => call.closed, MINUTE_US)).toBe(true)
      expect([call.status, same(call.received, response)]).toEqual([0, true])
      expect(closed(server.program).some(({ received }) => same(received, request))).toBe(true)
      for (const running of [bad, good, server]) {
        running.hang()
        scene.host.slow.apps.removeApp(running.app)
      }
      scene.net.run(() => false, 10 * MINUTE_US)
      expect(GAUGES.map((name) => scene.host.counters[slowCounter(name)])).toEqual(GAUGES.map(() => 0))
      expect(scene.host.fastCount('flows')).toBe(0)
    }), { numRuns: Number(process.env.SIM_RUNS ?? 20) })
  })

  it('the worker is killed in the middle, again and again -> what was under way comes again', () => {
    const scene = lone(6)
    const [server, client] = [start(scene.host, 'server'), start(scene.host, 'client')]
    const [request, response] = [scene.net.random.bytes(200_000), scene.net.random.bytes(200_000)]
    listen(scene, server, () => response)
    const call = client.program.connect(IP, PORT, request)
    let kills = 0
    interrupt(scene.host, 11, () => {
      if (kills++ < 50) scene.host.replaceWorker()
    })
    expect(scene.net.run(() => call.closed && closed(server.program).length === 1, 10 * MINUTE_US)).toBe(true)
    expect([same(call.received, response), same(closed(server.program)[0].received, request)]).toEqual([true, true])
    expect(kills).toBeGreaterThan(10)
    expectNothingLeft(scene, [server, client])
  })
})

/** What is done to a pair of connections, in any order. */
type Act = 'clientTxClose' | 'serverTxClose' | 'clientClose' | 'serverClose' | 'clientAbort' | 'serverAbort'

class Pair {
  readonly ends: Record<'client' | 'server', Connection | null> = { client: null, server: null }
  readonly closed = { client: false, server: false }
  private readonly events = createEvents(16)
  private readonly program: Running
  private readonly scene: Lone

  constructor(scene: Lone, options: { localPort?: number } = {}) {
    this.scene = scene
    this.program = start(scene.host, 'pair')
    this.program.hang()
    const { context } = this.program.program
    const step = scene.host.step.bind(scene.host)
    scene.host.step = (nowUs) => step(nowUs) + this.poll()
    context.listen(PORT).accept()
    scene.net.run(() => false, 1_000)
    this.ends.client = context.connect(IP, PORT, options)
    expect(scene.net.run(() => this.ends.server !== null && this.ends.client?.state === 'open', MINUTE_US)).toBe(true)
  }

  private poll(): number {
    const { context } = this.program.program
    const count = context.poll(this.events)
    for (const event of this.events.slice(0, count)) {
      if (event.type === LISTEN_ACCEPT && event.status === 0) this.ends.server = event.connection
      if (event.type === CONN_RECEIVED) event.connection.rxDone(event.total)
      if (event.type === CONN_CLOSED) this.closed[event.connection === this.ends.client ? 'client' : 'server'] = true
    }
    context.flush()
    return count
  }

  act(act: Act): void {
    const side = act.startsWith('client') ? 'client' : 'server'
    const connection = this.ends[side]
    if (connection === null || connection.state !== 'open') return
    if (act.endsWith('TxClose')) connection.txClose()
    else if (act.endsWith('Close')) connection.close()
    else connection.abort()
  }

  end(): void {
    for (const act of ['clientClose', 'serverClose'] as const) this.act(act)
    expect(this.scene.net.run(() => this.closed.client && this.closed.server, 10 * MINUTE_US)).toBe(true)
    this.scene.host.slow.apps.removeApp(this.program.app)
    expectNothingLeft(this.scene, [])
  }
}

describe('loopback: closing', () => {
  const acts: readonly Act[] = ['clientTxClose', 'serverTxClose', 'clientClose', 'serverClose', 'clientAbort', 'serverAbort']

  it('any two acts, at once or one after the other, with or without data -> both ends closed, nothing left', () => {
    for (const first of acts) {
      for (const second of acts) {
        for (const pauseUs of [0, 1, 50, 5_000]) {
          for (const data of [0, 5_000]) {
            const scene = lone(7)
            const pair = new Pair(scene)
            for (const end of [pair.ends.client, pair.ends.server]) end?.write(new Uint8Array(data))
            pair.act(first)
            if (pauseUs > 0) scene.net.run(() => false, pauseUs)
            pair.act(second)
            scene.net.run(() => false, 10_000)
            pair.end()
          }
        }
      }
    }
  })
})

describe('loopback: a connection to itself (RFC 9293, 3.5, figure 8)', () => {
  it('same address, same port -> opens, reads what it writes, closes', () => {
    const scene = lone(8)
    const running = start(scene.host, 'self')
    running.hang()
    const { context } = running.program
    const events = createEvents(16)
    const received: number[] = []
    const seen: number[] = []
    const connection = context.connect(IP, 12_345, { localPort: 12_345 })
    const step = scene.host.step.bind(scene.host)
    scene.host.step = (nowUs) => {
      const count = context.poll(events)
      for (const event of events.slice(0, count)) {
        seen.push(event.type)
        if (event.type !== CONN_RECEIVED) continue
        for (const part of [event.bytes, event.bytes2]) received.push(...part)
        event.connection.rxDone(event.total)
      }
      context.flush()
      return step(nowUs) + count
    }
    expect(scene.net.run(() => seen.includes(CONN_OPEN), MINUTE_US)).toBe(true)
    expect([connection.state, connection.remotePort, connection.localPort]).toEqual(['open', 12_345, 12_345])
    const bytes = scene.net.random.bytes(6_000)
    expect(connection.write(bytes)).toBe(bytes.length)
    expect(scene.net.run(() => received.length === bytes.length, MINUTE_US)).toBe(true)
    expect(same(received, bytes)).toBe(true)
    connection.txClose()
    expect(scene.net.run(() => seen.includes(CONN_RXCLOSED), MINUTE_US)).toBe(true)
    connection.close()
    expect(scene.net.run(() => seen.includes(CONN_CLOSED), MINUTE_US)).toBe(true)
    scene.host.slow.apps.removeApp(running.app)
    expectNothingLeft(scene, [])
  })
})

describe('several addresses of one host', () => {
  const addresses = [{ ip: IP, prefix: 24 }, { ip: OTHER_IP, prefix: 24 }]

  function pairOf(scene: Lone, listenOn: number, target: number, localAddress: number): { status: number; answer: Transfer | undefined } {
    const [server, client] = [start(scene.host, 'server'), start(scene.host, 'client')]
    server.program.listen(PORT, () => new Uint8Array(100), 8, { address: listenOn })
    expect(scene.net.run(() => server.program.listening, MINUTE_US)).toBe(true)
    const call = client.program.connect(target, PORT, new Uint8Array(200), { localAddress })
    expect(scene.net.run(() => call.closed, MINUTE_US)).toBe(true)
    scene.net.run(() => false, 1_000_000)
    const answer = closed(server.program)[0]
    if (call.status === 0) expect([answer.received.length, call.received.length]).toEqual([200, 100])
    const remote = answer?.connection.remoteAddress
    expectNothingLeft(scene, [server, client])
    return { status: call.status, answer: remote === undefined ? undefined : answer }
  }

  it.each([
    [0, IP, 0, '10.0.0.1'], [0, OTHER_IP, 0, '10.0.1.1'], [0, OTHER_IP, IP, '10.0.0.1'], [OTHER_IP, OTHER_IP, OTHER_IP, '10.0.1.1'],
  ])('listening on %i, connecting to %i from %i -> from %s', (listenOn, target, local, from) => {
    const { status, answer } = pairOf(lone(9, { config: { addresses } }), listenOn, target, local)
    expect([status, answer?.connection.remoteAddress]).toEqual([0, from])
  })

  it('listening on one, connecting to the other -> ECONNREFUSED', () => {
    expect(pairOf(lone(10, { config: { addresses } }), OTHER_IP, IP, 0).status).toBe(ECONNREFUSED)
  })
})
