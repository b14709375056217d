/** Two hosts on a link behind which something carries less than they think: a router that says so, and one that does not. */
import { describe, expect, it } from 'vitest'
import { emitEthernet, emitIcmp, emitIpv4, readWord } from '../../lib/wire/index.js'
import { SimHost } from './host.js'
import { SeededRandom } from '../../tools/linkem/index.js'
import { DEFAULT_TCP } from '../../service/slow/config.js'
import { GOOD_LINK, type LinkFaults, SimNetwork } from './network.js'
import { Program } from './programs.js'

const SERVER_IP = 0x0a000001
const CLIENT_IP = 0x0a000002
const MINUTE_US = 60_000_000
const PORT = 80

/** Carries IP packets up to `mtu` bytes. */
class NarrowNetwork extends SimNetwork {
  mtu = 1500
  dropped = 0
  /** Longest IP packet that was carried since this was last set to 0. */
  longest = 0
  /** Says so of those that it does not carry (RFC 792: fragmentation needed). */
  tells = true

  override send(from: SimHost, frame: Uint8Array): void {
    if (frame.length - 14 <= this.mtu) {
      this.longest = Math.max(this.longest, frame.length - 14)
      return super.send(from, frame)
    }
    this.dropped++
    if (this.tells) from.receive(tooBig(frame, this.mtu))
  }
}

function tooBig(dropped: Uint8Array, mtu: number): Uint8Array {
  const frame = new Uint8Array(14 + 20 + 8 + 28)
  emitEthernet(frame, { target: dropped.subarray(6, 12), source: dropped.subarray(0, 6), etherType: 0x0800 })
  emitIpv4(frame, 14, { sourceIp: 0x0a0000fe, targetIp: readWord(dropped, 26), protocol: 1, ttl: 60, tos: 0, payloadLen: 36 })
  emitIcmp(frame, 34, { type: 3, code: 4, id: 0, sequence: mtu, payload: dropped.subarray(14, 42) })
  return frame
}

/** Sends both ways over a path of `mtu` bytes; returns what to look at. */
function transfer(mtu: number, tells: boolean): { server: SimHost; net: NarrowNetwork; tookUs: number } {
  const net = new NarrowNetwork(7)
  const server = new SimHost(net, { ip: SERVER_IP, bufLen: 1 << 16 })
  const client = new SimHost(net, { ip: CLIENT_IP, bufLen: 1 << 16 })
  const serving = new Program(server.connectApp('server').tas.createContext())
  const calling = new Program(client.connectApp('client').tas.createContext())
  for (const [host, program] of [[server, serving], [client, calling]] as const) {
    const step = host.step.bind(host)
    host.step = (nowUs) => step(nowUs) + program.step()
  }
  const request = net.random.bytes(200_000)
  const response = net.random.bytes(300_000)
  serving.listen(PORT, () => response)
  expect(net.run(() => serving.listening, 1_000_000)).toBe(true)
  net.mtu = mtu
  net.tells = tells
  const startUs = net.nowUs
  const call = calling.connect(SERVER_IP, PORT, request)
  const answer = (): boolean => [...serving.transfers.values()].some(({ closed }) => closed)
  expect(net.run(() => call.closed && answer(), 5 * MINUTE_US)).toBe(true)
  const tookUs = net.nowUs - startUs
  const [served] = [...serving.transfers.values()].filter(({ closed }) => closed)
  expect([call.status, served.status]).toEqual([0, 0])
  expect(Buffer.compare(Uint8Array.from(call.received), response)).toBe(0)
  expect(Buffer.compare(Uint8Array.from(served.received), request)).toBe(0)
  net.run(() => false, 15 * MINUTE_US)
  for (const host of [server, client]) expect([host.slowCount('bufferBytes'), host.slow.nextDeadlineUs()]).toEqual([0, Infinity])
  return { server, net, tookUs }
}

describe('path with a smaller MTU', () => {
  it.each([1499, 1400, 1280, 1006, 552])('%i bytes, routers tell -> every byte, without a timeout (RFC 1191)', (mtu) => {
    const { server, tookUs } = transfer(mtu, true)
    expect(server.slowCount('pathMtuTold')).toBe(1)
    expect(server.slowCount('rtoTimeouts')).toBe(0)
    expect(tookUs).toBeLessThan(1_000_000)
  })

  it.each([1499, 1400, 1280, 1006, 552])('%i bytes, nobody tells -> every byte, once steps are small enough (RFC 8899)', (mtu) => {
    const { server, tookUs } = transfer(mtu, false)
    expect(server.slowCount('pathMtuGuessed')).toBeGreaterThan(0)
    expect(tookUs).toBeLessThan(40_000_000)
  })
})

/** Buffers of a length that does not change: so much is in flight, an eighth of a second of the link. */
const BUFFER_BYTES = 1 << 15
/** Bytes of a transfer that goes on for half a minute at 2 Mbit/s. */
const LONG_BYTES = 7_000_000

/** What a path did in each second of a long transfer, and how often the sender's counters had counted by then. */
interface Second {
  readonly longest: number
  readonly timeouts: number
  readonly recoveries: number
}

/** A long transfer over a link with `faults`; `change` may change the path before each second. */
function stream(
  change: (net: NarrowNetwork, second: number) => void, seed = 7, faults: Partial<LinkFaults> = {},
): { server: SimHost; seconds: Second[] } {
  const net = new NarrowNetwork(seed, { ...GOOD_LINK, delayUs: 5_000, rateKbps: 2_000, ...faults })
  const tcp = { ...DEFAULT_TCP, rxBufLen: BUFFER_BYTES, txBufLen: BUFFER_BYTES, rxBufMax: BUFFER_BYTES, txBufMax: BUFFER_BYTES }
  const server = new SimHost(net, { ip: SERVER_IP, config: { tcp } })
  const client = new SimHost(net, { ip: CLIENT_IP, config: { tcp } })
  const serving = new Program(server.connectApp('server').tas.createContext())
  const calling = new Program(client.connectApp('client').tas.createContext())
  for (const [host, program] of [[server, serving], [client, calling]] as const) {
    const step = host.step.bind(host)
    host.step = (nowUs) => step(nowUs) + program.step()
  }
  const response = net.random.bytes(LONG_BYTES)
  serving.listen(PORT, () => response)
  expect(net.run(() => serving.listening, 1_000_000)).toBe(true)
  const call = calling.connect(SERVER_IP, PORT, net.random.bytes(10))
  const seconds: Second[] = []
  while (!call.closed && seconds.length < 120) {
    change(net, seconds.length)
    net.longest = 0
    net.run(() => call.closed, 1_000_000)
    seconds.push({ longest: net.longest, timeouts: server.slowCount('rtoTimeouts'), recoveries: server.slowCount('fastRecoveries') })
  }
  expect([call.status, Buffer.compare(Uint8Array.from(call.received), response)]).toEqual([0, 0])
  return { server, seconds }
}

/** Timeouts and recoveries of the seconds from `from` on beyond those before. */
function repairsSince(seconds: readonly Second[], from: number): number {
  const last = seconds[seconds.length - 1]
  return last.timeouts + last.recoveries - seconds[from].timeouts - seconds[from].recoveries
}

describe('path whose MTU changes during a transfer', () => {
  it('silently smaller -> a black hole, then probes find its size; their loss is no timeout and no congestion (RFC 4821, 7.5)', () => {
    const { server, seconds } = stream((net, second) => {
      if (second === 2) [net.mtu, net.tells] = [1300, false]
    })
    const { longest } = seconds[seconds.length - 1]
    expect(longest).toBeGreaterThan(1300 - 16)
    expect(longest).toBeLessThanOrEqual(1300)
    expect(seconds[3].longest).toBe(1200)
    expect(seconds[3].timeouts).toBeLessThanOrEqual(2)
    expect(server.slowCount('mtuProbesLost')).toBeGreaterThanOrEqual(9)
    expect(repairsSince(seconds, 4)).toBe(0)
  })

  it('silently smaller for three seconds -> soon as large as before', () => {
    const { server, seconds } = stream((net, second) => {
      net.tells = false
      net.mtu = second === 2 || second === 3 || second === 4 ? 1300 : 1500
    })
    expect([seconds[3].longest, seconds[9].longest]).toEqual([1200, 1500])
    expect(server.slowCount('mtuProbes')).toBeLessThanOrEqual(3)
    expect(repairsSince(seconds, 4)).toBe(0)
  })

  it('larger while probes look for the size it had -> they find more than that', () => {
    const { seconds } = stream((net, second) => {
      net.tells = false
      net.mtu = second >= 2 && second < 12 ? 1300 : 1500
    })
    expect(seconds[seconds.length - 1].longest).toBeGreaterThan(1400)
    expect(repairsSince(seconds, 4)).toBe(0)
  })

  it.each([1, 2, 3, 4, 5, 6])('again and again, told or not, on a link that loses and reorders (seed %i) -> every byte; probes among them', (seed) => {
    const random = new SeededRandom(seed)
    const faults = { loss: seed % 2 === 0 ? 0.005 : 0, reorder: 0.01, reorderUs: 3_000, duplicate: 0.001 }
    const { server } = stream((net, second) => {
      if (second % 7 !== 2) return
      // First a black hole, then anything.
      net.mtu = second === 2 ? 1300 : [1500, 1480, 1400, 1300, 1006, 700][random.below(6)]
      net.tells = second !== 2 && random.below(3) === 0
    }, seed, faults)
    expect(server.slowCount('mtuProbes')).toBeGreaterThan(0)
  })

  it('smaller, and a router says so -> its size at once, and no probes before ten minutes (RFC 8899, 5.1.1)', () => {
    const { server, seconds } = stream((net, second) => {
      if (second === 2) net.mtu = 1300
    })
    expect(seconds.slice(3).every(({ longest }) => longest <= 1300)).toBe(true)
    expect([seconds[4].longest, server.slowCount('mtuProbes')]).toEqual([1300, 0])
  })
})
