import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SimHost } from './host.js'
import { GOOD_LINK, SimNetwork, type LinkFaults } from './network.js'
import { Program, type Transfer } from './programs.js'

const SERVER_IP = 0x0a000001
const CLIENT_IP = 0x0a000002
const PORT = 80
const MINUTE_US = 60_000_000

interface Scene {
  readonly net: SimNetwork
  readonly server: SimHost
  readonly client: SimHost
  readonly serving: Program
  readonly calling: Program
}

/** A server that listens and a client that knows its address, on a link that is good until then. */
function scene(seed: number, bufLen = 1 << 13): Scene {
  const net = new SimNetwork(seed)
  const server = new SimHost(net, { ip: SERVER_IP, bufLen })
  const client = new SimHost(net, { ip: CLIENT_IP, bufLen })
  const serving = new Program(server.connectApp('server').tas.createContext())
  const calling = new Program(client.connectApp('client').tas.createContext())
  for (const [host, program] of [[server, serving], [client, calling]] as const) {
    const step = host.step.bind(host)
    host.step = (nowUs) => step(nowUs) + program.step()
  }
  return { net, server, client, serving, calling }
}

function allClosed(programs: readonly Program[], count: number): () => boolean {
  return () => programs.every((program) => {
    const done = [...program.transfers.values()].filter((transfer) => transfer.closed)
    return done.length >= count
  })
}

function served(program: Program): Transfer[] {
  return [...program.transfers.values()].filter((transfer) => transfer.closed)
}

/** No flow, no buffer in use, once TIME-WAIT has passed. */
function expectNothingLeft(host: SimHost): void {
  for (const name of ['flowsSynSent', 'flowsSynReceived', 'flowsEstablished', 'flowsClosing', 'flowsTimeWait'] as const) {
    expect([name, host.slowCount(name)]).toEqual([name, 0])
  }
  expect(host.slowCount('bufferBytes')).toBe(0)
  expect(host.fastCount('appBadBumps')).toBe(0)
  expect(host.slowCount('appBadRequests')).toBe(0)
}

describe('two TAS hosts', () => {
  it('good link: request and response with half-close -> bytes right, both closed, nothing left', () => {
    const { net, server, client, serving, calling } = scene(1)
    const request = net.random.bytes(50_000)
    const response = net.random.bytes(70_000)
    serving.listen(PORT, () => response)
    expect(net.run(() => serving.listening, 1_000_000)).toBe(true)
    const call = calling.connect(SERVER_IP, PORT, request)
    expect(net.run(allClosed([serving, calling], 1), MINUTE_US)).toBe(true)
    expect(Uint8Array.from(call.received)).toEqual(response)
    expect(served(serving).map((t) => [t.status, Uint8Array.from(t.received)])).toEqual([[0, request]])
    net.run(() => false, 3 * MINUTE_US)
    expectNothingLeft(server)
    expectNothingLeft(client)
    expect(client.slowCount('rtoTimeouts')).toBe(0)
  })

  it('nobody listens -> refused', () => {
    const { net, calling } = scene(2)
    const call = calling.connect(SERVER_IP, 81, new Uint8Array(1))
    expect(net.run(() => call.closed, MINUTE_US)).toBe(true)
    expect(call.status).toBe(111)
  })

  it('twenty connections at once -> each gets its own bytes', () => {
    const { net, serving, calling } = scene(3)
    serving.listen(PORT, () => net.random.bytes(3000))
    net.run(() => serving.listening, 1_000_000)
    const requests = Array.from({ length: 20 }, () => net.random.bytes(5000))
    requests.forEach((bytes) => calling.connect(SERVER_IP, PORT, bytes))
    expect(net.run(allClosed([serving, calling], 20), MINUTE_US)).toBe(true)
    const got = served(serving).map((t) => Buffer.from(t.received).toString('hex')).sort()
    expect(got).toEqual(requests.map((bytes) => Buffer.from(bytes).toString('hex')).sort())
  })

  const faults: fc.Arbitrary<LinkFaults> = fc.record({
    loss: fc.double({ min: 0, max: 0.15, noNaN: true }),
    duplicate: fc.double({ min: 0, max: 0.1, noNaN: true }),
    reorder: fc.double({ min: 0, max: 0.3, noNaN: true }),
    reorderUs: fc.integer({ min: 0, max: 5000 }),
    corrupt: fc.double({ min: 0, max: 0.02, noNaN: true }),
    delayUs: fc.integer({ min: 1, max: 20_000 }),
  })

  it('any faulty link, any seed -> every byte once and in order, both sides close, nothing left', { timeout: 600_000 }, () => {
    const sizes = fc.integer({ min: 0, max: 40_000 })
    fc.assert(fc.property(fc.integer(), faults, sizes, sizes, (seed, link, requestLen, responseLen) => {
      const { net, server, client, serving, calling } = scene(seed)
      const request = net.random.bytes(requestLen)
      const response = net.random.bytes(responseLen)
      serving.listen(PORT, () => response)
      expect(net.run(() => serving.listening, 1_000_000)).toBe(true)
      net.faults = link
      const call = calling.connect(SERVER_IP, PORT, request)
      expect(net.run(allClosed([serving, calling], 1), 60 * MINUTE_US)).toBe(true)
      const answer = served(serving)[0]
      expect([call.status, answer.status]).toEqual([0, 0])
      expect(Uint8Array.from(answer.received)).toEqual(request)
      expect(Uint8Array.from(call.received)).toEqual(response)
      net.faults = GOOD_LINK
      net.run(() => false, 5 * MINUTE_US)
      expectNothingLeft(server)
      expectNothingLeft(client)
    }), { numRuns: Number(process.env.SIM_RUNS ?? 60) })
  })
})
