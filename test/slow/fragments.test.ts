/** Reassembly (RFC 791, 3.2; RFC 1122, 3.3.2; RFC 5722). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { COUNTERS_BYTES, TO_FAST_PACKET } from '../../lib/memif/index.js'
import * as wire from '../../lib/wire/index.js'
import { Reassembly, REASSEMBLY_LIMITS, type ReassemblyLimits } from '../../service/slow/fragments.js'
import { Stats } from '../../service/slow/stats.js'
import { Timers } from '../../service/slow/timers.js'
import { OUR_IP, PEER_IP, segmentFrame } from './harness.js'
import { datagram, fragmentsOf, icmpFrame } from './icmpframes.js'
import { accepted, listening, PEER_ISS, TCP_ACK, TCP_SYN } from './scenes.js'

const TCP_AT = 34
/** The port says that checksums need not be verified. */
const PARTIAL = 1
const GOOD = 2

const bytesOf = (len: number, salt = 0): Uint8Array => Uint8Array.from({ length: len }, (_, i) => (i * 7 + salt) & 255)

class Bench {
  nowUs = 0
  readonly timers = new Timers()
  readonly stats = new Stats(new Float64Array(COUNTERS_BYTES / 8))
  readonly late: Uint8Array[] = []
  readonly reassembly: Reassembly

  constructor(limits: Partial<ReassemblyLimits> = {}) {
    this.reassembly = new Reassembly({
      limits: { ...REASSEMBLY_LIMITS, ...limits }, timers: this.timers, stats: this.stats, nowUs: () => this.nowUs,
      timedOut: (first) => this.late.push(first),
    })
  }

  add(frame: Uint8Array): Uint8Array | null {
    const ip = wire.parseIpv4(frame, 14)
    return ip === null ? null : this.reassembly.add(frame, ip)
  }

  /** Payloads of the datagrams that came out whole. */
  addAll(frames: readonly Uint8Array[]): Uint8Array[] {
    return frames.map((frame) => this.add(frame)).filter((whole) => whole !== null).map((whole) => {
      const ip = wire.parseIpv4(whole, 14)
      expect(ip).toMatchObject({ isFragment: false, checksumGood: true })
      return whole.slice(14 + (ip?.headerLen ?? 0))
    })
  }

  advance(us: number): void {
    this.nowUs += us
    this.timers.run(this.nowUs, 1000)
  }
}

describe('reassembly', () => {
  const shuffled = fc.tuple(fc.integer({ min: 9, max: 3000 }), fc.uniqueArray(fc.integer({ min: 1, max: 400 }), { maxLength: 20 }))
    .chain(([len, cuts]) => {
      const starts = [0, ...cuts.map((cut) => cut * 8).filter((start) => start < len).sort((a, b) => a - b)]
      const indexes = starts.map((_, i) => i)
      const order = fc.shuffledSubarray(indexes, { minLength: indexes.length })
      return fc.record({ len: fc.constant(len), starts: fc.constant(starts), order, again: fc.array(fc.constantFrom(...indexes), { maxLength: 5 }) })
    })

  it('any split, order and repetition -> each datagram once, as it was (RFC 791, 3.2)', () => {
    fc.assert(fc.property(fc.array(shuffled, { minLength: 1, maxLength: 4 }), (parts) => {
      const bench = new Bench()
      const payloads = parts.map(({ len }, i) => bytesOf(len, i))
      const queues = parts.map(({ starts, order, again }, i) => {
        const pieces = fragmentsOf(payloads[i], starts, i)
        // Repeated ones come before the last, with which the datagram ends.
        const frames = order.map((at) => pieces[at])
        return [...frames.slice(0, -1), ...again.filter((at) => at !== order[order.length - 1]).map((at) => pieces[at]), ...frames.slice(-1)]
      })
      const mixed = Array.from({ length: Math.max(...queues.map(({ length }) => length)) }, (_, i) => queues.map((queue) => queue[i])).flat()
      const got = bench.addAll(mixed.filter((frame) => frame !== undefined))
      expect(got.map((bytes) => bytes.join()).sort()).toEqual(payloads.map((bytes) => bytes.join()).sort())
      expect([bench.reassembly.size, bench.reassembly.heldBytes, bench.timers.size]).toEqual([0, 0, 0])
    }), { numRuns: 300 })
  })

  it('any fragments whatever -> memory bounded, nothing left after 30 s (RFC 1122, 3.3.2)', () => {
    const piece = fc.record({
      from: fc.nat(40), id: fc.nat(30), offset: fc.nat(8191), len: fc.nat(1480), hasMore: fc.boolean(), tos: fc.nat(3), protocol: fc.constantFrom(1, 6),
    })
    fc.assert(fc.property(fc.array(piece, { maxLength: 400 }), (pieces) => {
      const limits = { bytes: 100_000, sourceBytes: 70_000, datagrams: 50, sourceDatagrams: 8, pieces: 16 }
      const bench = new Bench(limits)
      for (const { from, id, offset, len, hasMore, tos, protocol } of pieces) {
        bench.nowUs += 1000
        const part = { id, hasMore, fragmentOffset: offset * 8 }
        bench.add(datagram(new Uint8Array(len), { sourceIp: PEER_IP + from, tos, protocol, part }))
        expect(bench.reassembly.heldBytes).toBeLessThanOrEqual(limits.bytes)
        expect(bench.reassembly.size).toBeLessThanOrEqual(limits.datagrams)
      }
      for (let i = 0; i < 3; i++) bench.advance(31_000_000)
      expect([bench.reassembly.size, bench.reassembly.heldBytes, bench.timers.size]).toEqual([0, 0, 0])
    }), { numRuns: 100 })
  })

  const whole = bytesOf(64)
  const rest = fragmentsOf(whole, [0, 24, 48], 1)
  const part = (start: number, end: number, hasMore = true): Uint8Array => (
    datagram(whole.subarray(start, end), { part: { id: 1, hasMore, fragmentOffset: start } }))
  const other = datagram(new Uint8Array(24).fill(9), { part: { id: 1, hasMore: true, fragmentOffset: 0 } })
  it.each([
    ['from before', [part(0, 32)]], ['from behind', [part(16, 48)]], ['within (teardrop)', [part(32, 40)]], ['over all', [part(0, 56)]],
    ['the same place, other bytes', [other]], ['a second end', [part(24, 48, false)]], ['an end before what is there', [part(0, 8, false)]],
  ])('overlapping, %s -> the datagram is dropped with what still comes of it (RFC 5722, 4)', (_, overlaps) => {
    const bench = new Bench()
    expect(bench.addAll([rest[1], rest[0], ...overlaps, rest[2], ...rest])).toEqual([])
    bench.advance(31_000_000)
    expect([bench.reassembly.size, bench.addAll(rest).length]).toEqual([0, 1])
  })

  it('length no multiple of eight before the end, no payload, beyond 65,535 -> dropped alone (ping of death)', () => {
    const bench = new Bench()
    const big = datagram(new Uint8Array(1000), { part: { id: 1, hasMore: false, fragmentOffset: 65_528 } })
    expect(bench.addAll([part(0, 25), part(8, 8), big, ...rest]).length).toBe(1)
    expect(bench.stats.get('dropFragments')).toBe(3)
  })

  it('pieces of another source, target, protocol or identification -> not mixed', () => {
    const bench = new Bench()
    const at = { id: 1, hasMore: true, fragmentOffset: 24 }
    const odd = [{ sourceIp: 5 }, { targetIp: 6 }, { protocol: 6 }, { part: { ...at, id: 2 } }].map((options) => (
      datagram(new Uint8Array(24).fill(1), { part: at, ...options })))
    expect(bench.addAll([rest[0], rest[2], ...odd])).toEqual([])
    expect(bench.addAll([rest[1]])).toEqual([whole])
    expect(bench.reassembly.size).toBe(4)
  })

  it('a first header with options, sixty bytes and all that fits -> too long, nothing is kept of it', () => {
    const bench = new Bench()
    const [first, last] = [part(0, 8), datagram(new Uint8Array(1503), { part: { id: 1, hasMore: false, fragmentOffset: 64_008 } })]
    const middle = Array.from({ length: 40 }, (_, i) => (
      datagram(new Uint8Array(1600), { part: { id: 1, hasMore: true, fragmentOffset: 8 + i * 1600 } })))
    const long = new Uint8Array(first.length + 40)
    long.set(first.subarray(0, 34))
    long.set(first.subarray(34), 74)
    long[14] = 0x4f
    wire.writeU16(long, 16, 68)
    for (const frame of [...middle, last, long]) expect(bench.add(frame)).toBeNull()
    bench.advance(31_000_000)
    expect([bench.reassembly.size, bench.reassembly.heldBytes]).toEqual([0, 0])
  })

  it('more pieces than a datagram may have -> dropped', () => {
    const bench = new Bench({ pieces: 4 })
    expect(bench.addAll(fragmentsOf(whole, [0, 8, 16, 24, 32], 1))).toEqual([])
    expect(bench.addAll(fragmentsOf(whole, [0, 8, 16, 24], 2))).toEqual([whole])
    expect(bench.stats.get('dropFragments')).toBe(5)
  })

  it('64 KiB in pieces of an Ethernet -> whole', () => {
    const bench = new Bench()
    const payload = bytesOf(65_515)
    const starts = Array.from({ length: 45 }, (_, i) => i * 1480)
    expect(bench.addAll(fragmentsOf(payload, starts, 9).toReversed())).toEqual([payload])
  })

  it('one source with many datagrams -> its own oldest give way, those of others stay', () => {
    const bench = new Bench({ sourceDatagrams: 4 })
    const honest = fragmentsOf(whole, [0, 24], 1, { sourceIp: 77 })
    bench.add(honest[0])
    for (let id = 0; id < 100; id++) bench.add(datagram(new Uint8Array(800), { part: { id, hasMore: true, fragmentOffset: 0 } }))
    expect(bench.reassembly.size).toBe(5)
    expect(bench.addAll([honest[1]])).toEqual([whole])
  })

  it('congestion marks -> of one is of all; beside a fragment without ECN -> dropped (RFC 3168, 5.3)', () => {
    const tosOf = (...toses: number[]): number | undefined => {
      const frames = toses.map((tos, i) => (
        datagram(new Uint8Array(8), { tos, part: { id: 1, hasMore: i < toses.length - 1, fragmentOffset: i * 8 } })))
      const bench = new Bench()
      const found = frames.map((frame) => bench.add(frame)?.[15]).find((tos) => tos !== undefined)
      bench.advance(31_000_000)
      expect([bench.reassembly.size, bench.reassembly.heldBytes, bench.late]).toEqual([0, 0, []])
      return found
    }
    expect([tosOf(0x22, 3, 2), tosOf(2, 2), tosOf(0, 2), tosOf(0, 3), tosOf(3, 0)]).toEqual([0x23, 2, 0, undefined, undefined])
  })

  it('not whole after 30 s -> forgotten; the beginning there -> told to its sender\'s host', () => {
    const bench = new Bench()
    bench.add(rest[0])
    bench.advance(1_000_000)
    bench.add(fragmentsOf(whole, [0, 24], 2)[1])
    bench.advance(29_000_000)
    expect([bench.reassembly.size, bench.late.length, bench.late[0].length]).toEqual([1, 1, 34 + 24])
    bench.advance(1_000_000)
    expect([bench.reassembly.size, bench.late.length, bench.stats.get('reassemblyTimeouts')]).toEqual([0, 1, 2])
  })
})

describe('fragmented TCP', () => {
  const tcp = { protocol: wire.PROTOCOL_TCP }

  it('a SYN in fragments -> answered, also if the header itself was cut (RFC 791)', () => {
    const { host } = listening()
    const segment = segmentFrame({ seq: PEER_ISS, flags: TCP_SYN, options: { mss: 1460 } }).slice(TCP_AT)
    for (const frame of fragmentsOf(segment, [0, 8, 16], 1, tcp).toReversed()) host.receiveFrame(frame)
    expect(host.sent()).toMatchObject([{ ack: PEER_ISS + 1 }])
    expect([host.count('fragments'), host.count('datagramsReassembled'), host.count('dropFragments')]).toEqual([3, 1, 0])
  })

  it('data in fragments for an established connection -> to the worker in one frame', () => {
    const { host, iss } = accepted()
    const frame = segmentFrame({ seq: PEER_ISS + 1, ack: iss + 1, flags: TCP_ACK, payload: bytesOf(3000) })
    for (const piece of fragmentsOf(frame.slice(TCP_AT), [0, 1480], 1, tcp)) host.receiveFrame(piece)
    const [packet] = host.work().filter(({ type }) => type === TO_FAST_PACKET)
    expect(packet.packet?.slice(TCP_AT)).toEqual(frame.slice(TCP_AT))
  })

  it.each([['nothing', 0], ['a checksum left to hardware', PARTIAL], ['a checksum verified', GOOD]])(
    'the port says %s of fragments -> the whole is verified', (_, rxFlags) => {
      const { host } = listening()
      const segment = segmentFrame({ seq: PEER_ISS, flags: TCP_SYN, options: { mss: 1460 } }).slice(TCP_AT)
      segment[23] ^= 1
      for (const frame of fragmentsOf(segment, [0, 8], 1, tcp)) host.receiveFrame(frame, -1, 0, rxFlags)
      expect([host.sent(), host.count('dropChecksum')]).toEqual([[], 1])
    })

  it('--kni-name: fragments of UDP and ICMP -> the kernel\'s as they are; of TCP for nobody here -> whole', () => {
    const taken: number[] = []
    const hostKernel = { sendFrame: (bytes: Uint8Array) => taken.push(bytes.length) > 0 }
    const { host } = listening({ hostKernel })
    taken.length = 0
    for (const protocol of [wire.PROTOCOL_UDP, wire.PROTOCOL_ICMP]) {
      for (const frame of fragmentsOf(new Uint8Array(80), [0, 48], 1, { protocol })) host.receiveFrame(frame)
    }
    const segment = segmentFrame({ localPort: 9, flags: TCP_SYN, options: { mss: 1460 } }).slice(TCP_AT)
    for (const frame of fragmentsOf(segment, [0, 8], 1, tcp)) host.receiveFrame(frame)
    expect(taken).toEqual([34 + 48, 34 + 32, 34 + 48, 34 + 32, 34 + 24])
  })

  it('without a kernel: UDP -> dropped, nothing kept', () => {
    const { host } = listening()
    for (const frame of fragmentsOf(new Uint8Array(80), [0, 48], 1, { protocol: wire.PROTOCOL_UDP })) host.receiveFrame(frame)
    expect([host.count('packetsNotOurs'), host.count('fragments')]).toEqual([2, 0])
  })

  it('a segment never whole -> ICMP time exceeded with its beginning (RFC 1122, 3.3.2); for ICMP none', () => {
    const { host } = listening()
    const segment = segmentFrame({ flags: TCP_SYN, options: { mss: 1460 } }).slice(TCP_AT)
    host.receiveFrame(fragmentsOf(segment, [0, 16], 7, tcp)[0])
    host.receiveFrame(fragmentsOf(new Uint8Array(80), [0, 48], 8)[0])
    host.advance(31_000_000)
    expect(host.frames.length).toBe(1)
    const message = wire.parseIcmp(host.frames[0], TCP_AT, 8 + 28)
    expect(message).toMatchObject({ type: 11, code: 1 })
    expect(wire.parseQuotedSegment(message?.payload ?? new Uint8Array(0))).toMatchObject({ sourceIp: PEER_IP, targetIp: OUR_IP, targetPort: 80 })
  })
})

describe('echo', () => {
  it.each([[0, 1], [1472, 1], [1473, 2], [20_000, 14], [65_507, 45]])(
    '%i bytes -> the same bytes back in %i fragments that routers may cut (RFC 1122, 3.2.2.6)', (len, count) => {
      const { host } = listening()
      const payload = bytesOf(len)
      const request = icmpFrame({ payload }).slice(TCP_AT)
      const starts = Array.from({ length: Math.max(1, Math.ceil(request.length / 1480)) }, (_, i) => i * 1480)
      for (const frame of fragmentsOf(request, starts, 5)) host.receiveFrame(frame)
      const bench = new Bench()
      const replies = host.frames.splice(0)
      expect(replies).toHaveLength(count)
      for (const frame of replies) {
        expect(frame.length).toBeLessThanOrEqual(1514)
        expect(frame[20] & 0x40).toBe(0)
      }
      const reply = count === 1 ? replies[0].slice(TCP_AT) : bench.addAll(replies)[0]
      expect(wire.parseIcmp(reply, 0, reply.length)).toMatchObject({ type: 0, code: 0, id: 3, sequence: 4, payload })
    })
})
