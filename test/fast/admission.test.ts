/** What a worker passes up when there is too much of it. */
import { describe, expect, it } from 'vitest'
import { TO_SLOW_FLOW, WHAT_FIN_QUEUED } from '../../lib/memif/index.js'
import { TCP_ACK, TCP_RST, TCP_SYN } from '../../lib/wire/index.js'
import { Admission } from '../../service/fast/admission.js'
import { PEER_IP, type SegmentOptions } from './frames.js'
import { FastHarness } from './harness.js'

const h = new FastHarness()
const PROVEN = new DataView(Uint32Array.of(PEER_IP).buffer).getInt32(0, false)

function frame(segment: SegmentOptions, source = 0): Uint8Array {
  const bytes = h.frame(segment)
  if (source !== 0) new DataView(bytes.buffer).setUint32(26, source)
  return bytes
}

/** Sequence number of the next frame: none comes twice. */
let sequence = 1

/** Frames stand as in the port: the IP header at a multiple of four. */
function admitted(admission: Admission, bytes: Uint8Array, times: number, nowMs: number): number {
  let count = 0
  if (admission.isStale(nowMs)) admission.refill(nowMs, true)
  for (let i = 0; i < times; i++) {
    if (bytes.length >= 54) new DataView(bytes.buffer).setUint32(38, sequence++)
    if (admission.admitsStranger(bytes, 0, bytes.length, nowMs)) count++
  }
  return count
}

function arp(): Uint8Array {
  const bytes = new Uint8Array(60)
  bytes.set([8, 6], 12)
  return bytes
}

function icmp(type: number): Uint8Array {
  const bytes = frame({})
  bytes[23] = 1
  bytes[34] = type
  return bytes
}

const KINDS: readonly (readonly [string, Uint8Array, number, number])[] = [
  ['SYN', frame({ flags: TCP_SYN }, 0x01020304), 4096, 6], ['ACK', frame({ flags: TCP_ACK }, 0x01020304), 4096, 8],
  ['ARP', arp(), 512, 2], ['echo request', icmp(8), 1024, 2], ['ICMP error', icmp(3), 2048, 4], ['short', new Uint8Array(14), 2048, 4],
]

/** Kinds that have their tokens in common. */
const ELSE = new Set(['ICMP error', 'short'])

describe('packets of no flow', () => {
  it.each(KINDS)('%s without end -> a burst, then its rate, four milliseconds of it at once', (_, bytes, burst, perMs) => {
    const admission = new Admission(16)
    expect(admitted(admission, bytes, 10_000, 5)).toBe(burst)
    const each = [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17].map((ms) => admitted(admission, bytes, 100, ms))
    expect(each).toEqual([0, 0, 0, 4 * perMs, 0, 0, 0, 4 * perMs, 0, 0, 0, 4 * perMs])
    expect(admitted(admission, bytes, 10_000, 60_000)).toBe(burst)
  })

  it('a packet now and then -> tokens for all the time that has passed', () => {
    const admission = new Admission(16)
    const [, bytes] = KINDS[0]
    admitted(admission, bytes, 10_000, 5)
    expect([admitted(admission, bytes, 100, 15), admitted(admission, bytes, 100, 18), admitted(admission, bytes, 100, 20)]).toEqual([60, 0, 30])
  })

  it.each(KINDS)('a flood of %s -> all other kinds pass', (name, bytes) => {
    const admission = new Admission(16)
    admitted(admission, bytes, 10_000, 5)
    for (const [other, theirs] of KINDS) {
      const shares = other === name || (ELSE.has(name) && ELSE.has(other))
      expect([other, admitted(admission, theirs, 1, 5)]).toEqual([other, shares ? 0 : 1])
    }
  })

  it('SYN and RST, SYN and ACK -> not counted as SYNs', () => {
    const admission = new Admission(16)
    admitted(admission, frame({ flags: TCP_SYN }), 10_000, 5)
    expect(admitted(admission, frame({ flags: TCP_SYN | TCP_ACK }), 1, 5)).toBe(1)
    expect(admitted(admission, frame({ flags: TCP_SYN | TCP_RST }), 1, 5)).toBe(1)
  })

  it('an address that has had a connection -> passes during a flood from others, for about an hour', () => {
    const admission = new Admission(16)
    const minuteMs = 60_000
    admission.learn(PROVEN, 5)
    admitted(admission, frame({ flags: TCP_SYN }, 0x01020304), 10_000, 5)
    expect(admitted(admission, frame({ flags: TCP_SYN }), 10, 5)).toBe(10)
    expect(admitted(admission, frame({ flags: TCP_ACK }), 10_000, 5)).toBe(4086 + 4096)
    for (const [atMs, count] of [[50 * minuteMs, 8192], [70 * minuteMs, 4096]]) {
      expect(admitted(admission, frame({ flags: TCP_SYN }), 10_000, atMs)).toBe(count)
    }
  })

  it('connections of an address that come to be, more than there are tokens in that time -> all pass; handshakes that lead to nothing do not', () => {
    const [good, bad] = [new Admission(16), new Admission(16)]
    const handshake = (admission: Admission): number =>
      admitted(admission, frame({ flags: TCP_SYN }), 1, 5) + admitted(admission, frame({ flags: TCP_ACK }), 2, 5)
    for (const admission of [good, bad]) admission.learn(PROVEN, 5)
    let [passed, refused] = [0, 0]
    for (let i = 0; i < 10_000; i++) {
      passed += handshake(good)
      good.learn(PROVEN, 5)
      refused += 3 - handshake(bad)
    }
    expect(passed).toBe(30_000)
    expect(refused).toBe(30_000 - 4096 - 2 * 4096)
  })

  it('a refused SYN comes again -> passes, whatever came between; one that did not come before does not', () => {
    const admission = new Admission(16)
    const flood = frame({ flags: TCP_SYN }, 0x01020304)
    const passes = (seq: number): boolean => {
      const mine = frame({ flags: TCP_SYN, peerPort: 7, seq })
      return admission.admitsStranger(mine, 0, mine.length, 5)
    }
    admitted(admission, flood, 5000, 5)
    expect(passes(77)).toBe(false)
    expect(admitted(admission, flood, 50_000, 5)).toBeLessThan(5)
    expect([passes(78), passes(77)]).toEqual([false, true])
  })

  it('one refused SYN again and again -> its own tokens, no others', () => {
    const admission = new Admission(16)
    admission.learn(PROVEN, 5)
    admitted(admission, frame({ flags: TCP_SYN }, 0x01020304), 5000, 5)
    const same = frame({ flags: TCP_SYN, seq: 5 }, 0x01020304)
    let count = 0
    for (let i = 0; i < 5000; i++) if (admission.admitsStranger(same, 0, same.length, 5)) count++
    expect(count).toBe(1024)
    expect(admitted(admission, frame({ flags: TCP_SYN }), 10, 5)).toBe(10)
  })

  it('the clock wraps -> tokens go on coming', () => {
    const admission = new Admission(16)
    const [, bytes] = KINDS[0]
    admitted(admission, bytes, 10_000, 0x7fffffff | 0)
    expect(admitted(admission, bytes, 100, (0x7fffffff + 4) | 0)).toBe(24)
    admitted(admission, bytes, 10_000, -1)
    expect(admitted(admission, bytes, 100, 3)).toBe(24)
  })

  it('the slow path lags -> no new tokens; it has caught up -> tokens for the time since then', () => {
    const admission = new Admission(16)
    const [, bytes] = KINDS[0]
    admitted(admission, bytes, 10_000, 5)
    admission.refill(105, false)
    expect(admitted(admission, bytes, 100, 105)).toBe(0)
    expect(admitted(admission, bytes, 100, 109)).toBe(24)
  })
})

describe('packets of a flow', () => {
  it('RSTs for one flow without end -> sixteen a millisecond; another flow has its own', () => {
    const admission = new Admission(16)
    let passed = 0
    for (let i = 0; i < 1000; i++) if (admission.admitsFlow(3, 7)) passed++
    expect([passed, admission.admitsFlow(4, 7), admission.admitsFlow(3, 8)]).toEqual([16, true, true])
  })

  it('worker: a RST flood at a flow -> counted, a burst of junk never keeps flow events out of the ring', () => {
    const fast = new FastHarness({ toSlowEntries: 16 })
    const flow = fast.addFlow()
    for (let i = 0; i < 40; i++) fast.port.inject(fast.frame({ flags: TCP_RST, seq: i }), 2)
    for (let i = 0; i < 40; i++) fast.port.inject(fast.frame({ flags: TCP_SYN, peerPort: 1 + i }), 2)
    fast.bump(flow, { fin: true })
    fast.pass()
    const told = fast.told()
    expect(told.filter(({ type, what }) => type === TO_SLOW_FLOW && (what & WHAT_FIN_QUEUED) !== 0)).toHaveLength(1)
    expect(told.length).toBeLessThanOrEqual(15)
    expect([fast.count('dropFlood'), fast.count('dropSlowFull')].every((count) => count > 0)).toBe(true)
  })
})
