/** Buffers that grow, move and shrink under whole hosts: every byte stays right, whatever happens meanwhile. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TCB_RX_LOG2_U8, TCB_TX_LOG2_U8, TCB_WORDS } from '../../lib/memif/index.js'
import { DEFAULT_TCP, type TcpConfig } from '../../service/slow/config.js'
import { SimHost } from './host.js'
import { GOOD_LINK, SimNetwork } from './network.js'
import { CLIENT_IP, MINUTE_US, SERVER_IP } from './scene.js'
import { Side } from './stream.js'

const PORT = 80
const SECOND_US = 1_000_000

interface Pair {
  readonly net: SimNetwork
  readonly server: SimHost
  readonly client: SimHost
  readonly serving: Side
  readonly calling: Side
}

interface PairOptions {
  readonly toServer: number
  readonly toClient: number
  readonly tcp: Partial<TcpConfig>
  readonly regionBytes: number
  readonly delayUs: number
  readonly mtu?: number
}

function pair(seed: number, options: PairOptions): Pair {
  const net = new SimNetwork(seed)
  const { mtu = 1500, regionBytes } = options
  const config = { tcp: { ...DEFAULT_TCP, ...options.tcp } }
  const server = new SimHost(net, { ip: SERVER_IP, mtu, regionBytes, config, flows: 8 })
  const client = new SimHost(net, { ip: CLIENT_IP, mtu, regionBytes, config, flows: 8 })
  const serving = new Side(server.connectApp('server').tas.createContext(), options.toClient)
  const calling = new Side(client.connectApp('client').tas.createContext(), options.toServer)
  for (const [host, side] of [[server, serving], [client, calling]] as const) {
    const step = host.step.bind(host)
    host.step = (nowUs) => step(nowUs) + side.step()
  }
  serving.listen(PORT)
  net.run(() => false, 1000)
  net.faults = { ...GOOD_LINK, delayUs: options.delayUs }
  calling.connect(SERVER_IP, PORT)
  return { net, server, client, serving, calling }
}

function log2s(host: SimHost, { connection }: Side): [number, number] {
  const tcb = (host.state.tcbWord + (connection?.flow ?? 0) * TCB_WORDS) * 4
  return [host.state.bytes[tcb + TCB_RX_LOG2_U8], host.state.bytes[tcb + TCB_TX_LOG2_U8]]
}

/** Both close; once time has passed no buffer is in use. */
function expectDone({ net, server, client, serving, calling }: Pair, options: PairOptions, limitUs = 60 * MINUTE_US): void {
  expect(net.run(() => serving.closed && calling.closed, limitUs)).toBe(true)
  expect([serving.status, calling.status, serving.received, calling.received]).toEqual([0, 0, options.toServer, options.toClient])
  net.faults = GOOD_LINK
  net.run(() => false, 5 * MINUTE_US)
  for (const host of [server, client]) {
    expect([host.slowCount('bufferBytes'), host.fastCount('appBadBumps'), host.slowCount('appBadRequests')]).toEqual([0, 0, 0])
    expect(host.slow.nextDeadlineUs()).toBe(Infinity)
  }
}

describe('long fat link, 100 ms', () => {
  const far = { tcp: {}, regionBytes: 1 << 29, delayUs: 50_000, mtu: 60_000 }

  it.each([
    // The SYN-ACK is sent again before its answer comes, so the receiver has no round-trip time (Karn).
    ['uploads', 96 << 20, 0, 10_000], ['downloads', 0, 96 << 20, SECOND_US],
  ])('a client %s -> both buffers grow until 1 Gbit/s fits, bytes right', { timeout: 60_000 }, (_name, toServer, toClient, handshakeTimeoutUs) => {
    const options = { ...far, tcp: { handshakeTimeoutUs }, toServer, toClient }
    const both = pair(1, options)
    const receiving = toServer > 0 ? both.serving : both.calling
    // Handshake and slow start; the buffers double with each round trip.
    expect(both.net.run(() => receiving.received >= 48 << 20, 2 * SECOND_US)).toBe(true)
    const before = receiving.received
    both.net.run(() => false, SECOND_US / 5)
    expect(receiving.received - before).toBeGreaterThanOrEqual(25_000_000)
    const [sender, from] = toServer > 0 ? [both.client, both.calling] : [both.server, both.serving]
    const [receiver, to] = toServer > 0 ? [both.server, both.serving] : [both.client, both.calling]
    expect([log2s(sender, from)[1], log2s(receiver, to)[0]]).toEqual([24, 24])
    expect([log2s(sender, from)[0], log2s(receiver, to)[1]]).toEqual([17, 17])
    expectDone(both, options)
  })
})

describe('short link', () => {
  it('little at a time -> buffers stay as they are', () => {
    const options = { tcp: {}, regionBytes: 1 << 26, delayUs: 20, toServer: 50_000, toClient: 50_000 }
    const both = pair(2, options)
    expectDone(both, options)
    expect([both.server.slowCount('bufferGrowths'), both.client.slowCount('bufferGrowths')]).toEqual([0, 0])
  })

  it('an application slower than its peer -> its receive buffer does not grow', () => {
    const options = { tcp: {}, regionBytes: 1 << 28, delayUs: 20, toServer: 1 << 20, toClient: 0 }
    const both = pair(3, options)
    both.serving.readBytes = 0
    both.net.run(() => false, SECOND_US)
    expect(log2s(both.server, both.serving)[0]).toBe(17)
    both.serving.readBytes = Infinity
    expectDone(both, options)
  })
})

describe('moves under disturbance', () => {
  const tcp = { rxBufLen: 1 << 12, txBufLen: 1 << 12, rxBufMax: 1 << 17, txBufMax: 1 << 17 }
  const small = { tcp, regionBytes: 1 << 23 }

  it('loss, reordering, duplication, workers replaced at any time -> every byte right, nothing left', { timeout: 300_000 }, () => {
    const faults = fc.record({
      loss: fc.double({ min: 0, max: 0.05, noNaN: true }), duplicate: fc.double({ min: 0, max: 0.05, noNaN: true }),
      reorder: fc.double({ min: 0, max: 0.2, noNaN: true }), reorderUs: fc.integer({ min: 0, max: 3000 }), corrupt: fc.constant(0),
      delayUs: fc.integer({ min: 1, max: 10_000 }),
    })
    const readBytes = fc.constantFrom(1, 700, 5000, Infinity)
    const sizes = fc.integer({ min: 0, max: 400_000 })
    let growths = 0
    fc.assert(fc.property(fc.integer(), faults, readBytes, sizes, sizes, fc.nat(20), (seed, link, read, toServer, toClient, kills) => {
      const options = { ...small, toServer, toClient, delayUs: 20 }
      const both = pair(seed, options)
      const { net, server, client, serving } = both
      net.faults = link
      serving.readBytes = Math.max(read, Math.ceil(toServer / 2000))
      for (let n = 0; n < kills; n++) {
        net.run(() => false, net.random.below(60_000))
        ;(net.random.chance(0.5) ? server : client).replaceWorker()
      }
      expectDone(both, options)
      growths += server.slowCount('bufferGrowths') + client.slowCount('bufferGrowths')
    }), { numRuns: Number(process.env.SIM_RUNS ?? 30) })
    expect(growths).toBeGreaterThan(0)
  })
})

describe('idle', () => {
  it('after a burst each way -> pages of both buffers are given back, and the connection goes on', () => {
    const options = { tcp: {}, regionBytes: 1 << 28, delayUs: 5_000, toServer: 3 << 20, toClient: 3 << 20 }
    const both = pair(5, options)
    const { net, server, client, serving, calling } = both
    net.run(() => serving.received > 1 << 20 && calling.received > 1 << 20, MINUTE_US)
    serving.hold = calling.hold = true
    net.run(() => false, 20 * SECOND_US)
    for (const [host, side] of [[server, serving], [client, calling]] as const) {
      expect(host.slowCount('bufferTrims')).toBe(2)
      // The window is promised, room to write is not.
      expect(log2s(host, side)[0]).toBeGreaterThan(17)
      expect(log2s(host, side)[1]).toBe(17)
    }
    serving.hold = calling.hold = false
    serving.pump()
    calling.pump()
    expectDone(both, options)
  })
})
