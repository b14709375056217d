/** An embedded TAS beside a host that runs as service and worker: nobody on the network can tell them apart. */
import { constants } from 'node:os'
import { describe, expect, it } from 'vitest'
import { CONN_OPEN, createEvents, LISTEN_CLOSED, type TasEvent } from '../../lib/tas/index.js'
import { EmbeddedHost } from './embeddedhost.js'
import { SimHost } from './host.js'
import { GOOD_LINK, SimNetwork, type LinkFaults } from './network.js'
import { Program, type Transfer } from './programs.js'

const EMBEDDED_IP = 0x0a000001
const SERVICE_IP = 0x0a000002
const PORT = 80
const MINUTE_US = 60_000_000
const FLOW_STATES = ['flowsSynSent', 'flowsSynReceived', 'flowsEstablished', 'flowsClosing', 'flowsTimeWait'] as const

interface Scene {
  readonly net: SimNetwork
  readonly embedded: EmbeddedHost
  readonly inside: Program
  readonly outside: Program
}

function scene(seed: number, faults: LinkFaults = GOOD_LINK): Scene {
  const net = new SimNetwork(seed, faults)
  const embedded = new EmbeddedHost(net, EMBEDDED_IP)
  const service = new SimHost(net, { ip: SERVICE_IP, bufLen: 1 << 13 })
  const inside = new Program(embedded.tas.createContext())
  const outside = new Program(service.connectApp('peer').tas.createContext())
  const step = service.step.bind(service)
  service.step = (nowUs) => step(nowUs) + outside.step()
  embedded.program = () => inside.step()
  return { net, embedded, inside, outside }
}

function served(program: Program): Transfer[] {
  return [...program.transfers.values()].filter((transfer) => transfer.closed)
}

/** The first connects to the second, which may be the same: both send, both close. */
function exchange({ net, embedded, inside, outside }: Scene, isOpenedInside: boolean): void {
  const [calling, serving] = isOpenedInside ? [inside, outside] : [outside, inside]
  const request = net.random.bytes(50_000)
  const response = net.random.bytes(70_000)
  serving.listen(PORT, () => response)
  expect(net.run(() => serving.listening, MINUTE_US)).toBe(true)
  const transfer = calling.connect(isOpenedInside ? SERVICE_IP : EMBEDDED_IP, PORT, request)
  expect(net.run(() => transfer.closed && served(serving).length === 1, 10 * MINUTE_US)).toBe(true)
  expect(Buffer.from(transfer.received).equals(Buffer.from(response))).toBe(true)
  expect(Buffer.from(served(serving)[0].received).equals(Buffer.from(request))).toBe(true)
  const left = (): number => FLOW_STATES.reduce((sum, name) => sum + embedded.slowCount(name), 0)
  expect(net.run(() => left() === 0, 5 * MINUTE_US)).toBe(true)
  expect(embedded.slowCount('bufferBytes')).toBe(0)
}

describe('embedded TAS and a service', () => {
  for (const isOpenedInside of [false, true]) {
    const opener = isOpenedInside ? 'the embedded one' : 'the service'
    it(`good link, opened by ${opener}: bytes both ways, half-close -> bytes right, nothing left`, () => {
      exchange(scene(1), isOpenedInside)
    })

    it(`loss, reordering, duplicates, opened by ${opener} -> bytes right, nothing left`, () => {
      for (let seed = 1; seed <= 5; seed++) {
        exchange(scene(seed, { ...GOOD_LINK, loss: 0.03, reorder: 0.05, reorderUs: 500, duplicate: 0.02 }), isOpenedInside)
      }
    })
  }

  it('two contexts, one connects to the other through the own address -> bytes right', () => {
    const { net, embedded, inside } = scene(1)
    const other = new Program(embedded.tas.createContext())
    embedded.program = () => inside.step() + other.step()
    const bytes = net.random.bytes(20_000)
    inside.listen(PORT, () => bytes)
    expect(net.run(() => inside.listening, MINUTE_US)).toBe(true)
    const transfer = other.connect(EMBEDDED_IP, PORT, bytes)
    expect(net.run(() => transfer.closed && served(inside).length === 1, MINUTE_US)).toBe(true)
    expect(Buffer.from(transfer.received).equals(Buffer.from(bytes))).toBe(true)
    expect(Buffer.from(served(inside)[0].received).equals(Buffer.from(bytes))).toBe(true)
  })

  it('close while bytes flow -> the peer hears a reset, everything is taken back, once', () => {
    const { net, embedded, inside, outside } = scene(1)
    const bytes = net.random.bytes(500_000)
    inside.listen(PORT, () => bytes)
    expect(net.run(() => inside.listening, MINUTE_US)).toBe(true)
    const transfer = outside.connect(EMBEDDED_IP, PORT, bytes)
    expect(net.run(() => transfer.received.length > 1_000, MINUTE_US)).toBe(true)
    expect(transfer.received.length).toBeLessThan(bytes.length)
    embedded.tas.close()
    expect(embedded.isClosed).toBe(true)
    expect(net.run(() => transfer.closed, MINUTE_US)).toBe(true)
    expect(transfer.status).toBe(constants.errno.ECONNRESET)
    expect(() => embedded.tas.close()).not.toThrow()
    expect(() => embedded.tas.createContext()).toThrow('EBADF')
  })
})

describe('block of an embedded TAS', () => {
  it('the program damages its own request ring -> block returns, what is open ends as with a service that has ended', () => {
    const net = new SimNetwork(1)
    const embedded = new EmbeddedHost(net, EMBEDDED_IP)
    const context = embedded.tas.createContext()
    const events = createEvents(4)
    context.listen(PORT)
    while (context.poll(events) === 0) embedded.passTime(1)
    embedded.damageRequests(context.id)
    embedded.onBlock = () => { throw new Error('blocks for ever') }
    context.block()
    expect(context.poll(events)).toBe(1)
    expect(events[0]).toMatchObject({ type: LISTEN_CLOSED, code: 'ESERVICEGONE' })
    expect(() => context.listen(PORT)).toThrow('ESERVICEGONE')
  })

  it('nobody answers for an hour -> sleeps to each deadline of the handshake, tells the failure', () => {
    const net = new SimNetwork(1)
    const embedded = new EmbeddedHost(net, EMBEDDED_IP)
    const context = embedded.tas.createContext()
    const events = createEvents(4)
    const waits: number[] = []
    // Nobody is on this network: all that passes is time.
    embedded.onBlock = (timeoutUs) => {
      if (timeoutUs < 0) throw new Error('blocks without a limit while a connection is being opened')
      waits.push(timeoutUs)
      embedded.passTime(timeoutUs)
      return false
    }
    context.connect(SERVICE_IP, PORT)
    let opened: TasEvent | null = null
    for (let turns = 0; turns < 1000 && opened === null; turns++) {
      const count = context.poll(events)
      for (let i = 0; i < count; i++) if (events[i].type === CONN_OPEN) opened = events[i]
      if (count === 0) context.block()
    }
    expect(opened?.status).toBeGreaterThan(0)
    expect(waits.length).toBeGreaterThan(5)
    expect(waits.every((waitUs) => waitUs > 0)).toBe(true)
  })

  it('nothing to wait for, a limit of a second -> one sleep of that length', () => {
    const net = new SimNetwork(1)
    const embedded = new EmbeddedHost(net, EMBEDDED_IP)
    const context = embedded.tas.createContext()
    const waits: number[] = []
    embedded.onBlock = (timeoutUs) => {
      waits.push(timeoutUs)
      embedded.passTime(timeoutUs)
      return false
    }
    expect(context.poll(createEvents(4))).toBe(0)
    const startUs = net.nowUs
    context.block(1_000_000)
    expect(waits).toHaveLength(1)
    expect(net.nowUs - startUs).toBe(1_000_000)
  })

  it('a signal ends the wait -> block returns early', () => {
    const net = new SimNetwork(1)
    const embedded = new EmbeddedHost(net, EMBEDDED_IP)
    const context = embedded.tas.createContext()
    embedded.onBlock = () => {
      embedded.passTime(1)
      return false
    }
    context.block()
    expect(embedded.blocks).toBe(1)
  })
})
