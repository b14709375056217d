/** The path's MTU: told by routers (RFC 1191; RFC 5927, 7.2) and found where they are silent (RFC 8899). */
import { describe, expect, it } from 'vitest'
import {
  SF_ACK_BLOCKS, SF_ACK_DUPLICATES, SF_ACK_EDGES, SF_ACK_SEQ, SF_ACK_TSECR, SF_FLOW, SF_GEN, TCB_ACKED_BYTES, TCB_MSS_U16, TCB_SND_END, TCB_SND_MAX, TCB_SND_NXT, TCB_SND_UNA, TCB_SND_WND, TCB_SRTT_US8, TO_FAST_FLOW_MSS, TO_FAST_FLOW_SEND,
  TO_SLOW_ACK, WHAT_ACTIVE,
} from '../../lib/memif/index.js'
import { DEFAULT_CONGESTION, DEFAULT_TCP } from '../../service/slow/index.js'
import { PathMtuCache } from '../../service/slow/pathmtucache.js'
import { type Host, type HostOptions, PEER_PORT, RX_BUF, TX_BUF } from './harness.js'
import { errorFrame, quote } from './icmpframes.js'
import { accepted, type Open, PEER_ISS, PEER_OPTIONS, TCP_ACK, TCP_RST, TCP_SYN } from './scenes.js'

const MINUTE_US = 60_000_000

/** A connection with `bytes` under way, whose peer takes segments of 1460 bytes. */
function sending(bytes = 5000, options: HostOptions = {}, offer: object = { mss: 1460 }): Open {
  const open = accepted(options, offer)
  const { host, flow, gen } = open
  host.setTcb(flow, TCB_SND_WND, 100_000)
  host.setTcb(flow, TCB_SRTT_US8, 8000)
  send(open, bytes)
  host.report(flow, gen, WHAT_ACTIVE)
  return open
}

function send({ host, flow }: Open, bytes: number): void {
  const end = host.tcb(flow, TCB_SND_MAX) + bytes
  for (const word of [TCB_SND_NXT, TCB_SND_MAX, TCB_SND_END]) host.setTcb(flow, word, end)
}

function acknowledge({ host, flow }: Open, bytes: number): void {
  host.setTcb(flow, TCB_SND_UNA, host.tcb(flow, TCB_SND_UNA) + bytes)
  host.setTcb(flow, TCB_ACKED_BYTES, host.tcb(flow, TCB_ACKED_BYTES) + bytes)
}

/** The peer has [from, to) beyond what it acknowledges, bytes from SND.UNA on. */
function sack({ host, flow, gen }: Open, from: number, to: number): void {
  const una = host.tcb(flow, TCB_SND_UNA)
  host.worker.message(TO_SLOW_ACK, {
    [SF_FLOW]: flow, [SF_GEN]: gen, [SF_ACK_SEQ]: una, [SF_ACK_DUPLICATES]: 1, [SF_ACK_BLOCKS]: 1,
    [SF_ACK_EDGES]: una + from, [SF_ACK_EDGES + 1]: una + to, [SF_ACK_TSECR]: 0,
  })
  host.poll()
}

/** All that is under way is acknowledged, and as much again as `bytes`. */
function exchange(open: Open, bytes = 100_000): void {
  acknowledge(open, open.host.tcb(open.flow, TCB_SND_MAX) - open.host.tcb(open.flow, TCB_SND_UNA))
  send(open, bytes)
  acknowledge(open, bytes)
}

/** A router says that a link carries `mtu` bytes; what is under way first is quoted. */
function tooBig(open: Open, mtu: number, totalLen = 1500, offset = 0): void {
  open.host.receiveFrame(errorFrame(3, 4, quote(open, open.host.tcb(open.flow, TCB_SND_UNA) + offset, totalLen), mtu))
}

/** MSS ordered since the last call, obeyed as a worker would. */
function ordered(host: Host): number[] {
  const orders = host.work().filter(({ type }) => type === TO_FAST_FLOW_MSS)
  for (const { flow, first } of orders) host.state.halves[(host.state.tcbWord + flow * 32) * 2 + TCB_MSS_U16] = first
  return orders.map(({ first }) => first)
}

function mssOf({ host, flow }: Open): number {
  return host.state.halves[(host.state.tcbWord + flow * 32) * 2 + TCB_MSS_U16]
}

/** Runs in steps, collecting what is ordered and when. */
function run({ host }: Open, us: number, stepUs = 100_000): [number, number][] {
  const start = host.nowUs
  const found: [number, number][] = []
  while (host.nowUs - start < us) {
    host.advance(stepUs)
    for (const mss of ordered(host)) found.push([host.nowUs - start, mss])
  }
  return found
}

/** Another connection to the same peer. */
function another(open: Open, remotePort = PEER_PORT + 1): Open {
  const { host } = open
  host.send({ seq: PEER_ISS, flags: TCP_SYN, remotePort, options: { mss: 1460 } })
  const [synAck] = host.sent()
  host.send({ seq: PEER_ISS + 1, ack: synAck.seq + 1, flags: TCP_ACK, remotePort })
  const [added] = host.work().filter(({ type }) => type === 20)
  return { ...open, flow: added.flow, gen: added.gen, remotePort }
}

describe('fragmentation needed', () => {
  it('before anything of that size came through -> smaller at once, and what is under way again (RFC 1191, 6.5)', () => {
    const open = sending()
    const una = open.host.tcb(open.flow, TCB_SND_UNA)
    tooBig(open, 1300)
    const orders = open.host.work().filter(({ type }) => type === TO_FAST_FLOW_MSS || type === TO_FAST_FLOW_SEND)
    expect(orders.map(({ type, first, second }) => [type, first, second])).toEqual(
      [[TO_FAST_FLOW_MSS, 1260, 0], [TO_FAST_FLOW_SEND, una, 5000]])
    expect([open.host.count('pathMtuTold'), open.host.count('icmpErrors')]).toEqual([1, 1])
  })

  it('timestamps -> their option is taken off, too', () => {
    const open = sending(5000, {}, PEER_OPTIONS)
    tooBig(open, 1300)
    expect(ordered(open.host)).toEqual([1248])
  })

  it('narrower still behind it -> smaller again', () => {
    const open = sending()
    for (const mtu of [1400, 1300]) tooBig(open, mtu)
    expect(ordered(open.host)).toEqual([1360, 1260])
  })

  it('no MTU given -> the next plateau below the datagram (RFC 1191, 7.1)', () => {
    const open = sending()
    tooBig(open, 0)
    tooBig(open, 0, 1492)
    expect(ordered(open.host)).toEqual([1452, 966])
  })

  it.each([
    ['as large as now', 1500, 1500], ['larger', 9000, 9100], ['the quoted datagram fits', 1300, 1300], ['no plateau below it', 0, 60],
  ])('%s -> ignored (RFC 1191, 3)', (_, mtu, totalLen) => {
    const open = sending()
    tooBig(open, mtu, totalLen)
    expect([ordered(open.host), open.host.count('icmpErrorsIgnored')]).toEqual([[], 1])
  })

  it('peer whose small segments fit anyway -> ignored', () => {
    const open = sending(5000, {}, { mss: 1000 })
    tooBig(open, 1200)
    expect([ordered(open.host), open.host.count('icmpErrorsIgnored')]).toEqual([[], 1])
  })

  it('what is quoted is not under way -> ignored (RFC 5927, 4.1)', () => {
    const open = sending()
    for (const offset of [-1, 5000]) tooBig(open, 1300, 1500, offset)
    expect([ordered(open.host), open.host.count('icmpErrorsIgnored')]).toEqual([[], 2])
  })

  it.each([[100, undefined, 512], [60, 68, 28], [1, 296, 256]])('%i bytes, least MTU %s -> MSS %i, never less', (mtu, minPathMtu, mss) => {
    const tcp = { ...DEFAULT_TCP, rxBufLen: RX_BUF, txBufLen: TX_BUF, ...(minPathMtu === undefined ? {} : { minPathMtu }) }
    const open = sending(5000, { config: { tcp } })
    tooBig(open, mtu)
    expect(ordered(open.host)).toEqual([mss])
    tooBig(open, mtu)
    expect(ordered(open.host)).toEqual([])
  })

  it('segments of that size came through before -> only when the quoted one times out (RFC 5927, 7.2)', () => {
    const open = sending()
    exchange(open)
    send(open, 5000)
    tooBig(open, 1300)
    expect(ordered(open.host)).toEqual([])
    expect(run(open, 300_000).map(([, mss]) => mss)).toEqual([1260])
  })

  it('the quoted segment is acknowledged meanwhile -> forgotten, whatever times out later (RFC 5927, 7.2)', () => {
    const open = sending()
    exchange(open)
    send(open, 5000)
    tooBig(open, 1300)
    acknowledge(open, 1460)
    expect(run(open, 500_000)).toEqual([])
    expect(open.host.count('pathMtuTold')).toBe(0)
  })

  it('told, then the connection ends -> no timer stays', () => {
    const open = sending()
    tooBig(open, 1300)
    open.host.slow.apps.removeApp(open.app.id)
    for (let i = 0; i < 6; i++) open.host.work()
    open.host.advance(200_000_000)
    expect(open.host.slow.nextDeadlineUs()).toBe(Infinity)
  })
})

describe('what is known of a destination', () => {
  it('new connections begin with it; after ten minutes with all that the interface carries (RFC 1191, 6.3)', () => {
    const open = sending()
    tooBig(open, 1300)
    ordered(open.host)
    expect(mssOf(another(open))).toBe(1260)
    exchange(open)
    open.host.advance(11 * MINUTE_US)
    open.host.work()
    expect(mssOf(another(open, PEER_PORT + 2))).toBe(1460)
  })

  it('ten minutes later larger packets are tried; they come through -> nothing is left of it', () => {
    const open = sending()
    const { host } = open
    tooBig(open, 1300)
    exchange(open)
    expect(run(open, 11 * MINUTE_US, 1_000_000).map(([us, mss]) => [Math.round(us / MINUTE_US), mss])).toEqual([[0, 1260], [10, 1460]])
    exchange(open)
    run(open, 30 * MINUTE_US, 1_000_000)
    expect([host.count('pathMtuRaised'), host.slow.nextDeadlineUs()]).toEqual([1, Infinity])
  })

  it('larger packets are told to be too large again -> at once, without a timeout', () => {
    const open = sending()
    tooBig(open, 1300)
    exchange(open)
    run(open, 11 * MINUTE_US, 1_000_000)
    send(open, 5000)
    tooBig(open, 1200)
    expect(ordered(open.host)).toEqual([1160])
  })

  it('larger packets are lost in silence -> the first timeout takes them back, for ten minutes', () => {
    const open = sending()
    tooBig(open, 1300)
    exchange(open)
    run(open, 11 * MINUTE_US, 1_000_000)
    send(open, 5000)
    open.host.report(open.flow, open.gen, WHAT_ACTIVE)
    expect(run(open, 500_000).map(([, mss]) => mss)).toEqual([1260])
    acknowledge(open, 5000)
    expect(run(open, 9 * MINUTE_US, 1_000_000)).toEqual([])
    expect(run(open, 2 * MINUTE_US, 1_000_000).map(([, mss]) => mss)).toEqual([1460])
  })

  it('more destinations than room -> the oldest is forgotten; old ones are', () => {
    const cache = new PathMtuCache(2)
    const path = { mtu: 1300, isGuess: false, untilUs: 100 }
    for (const ip of [1, 2, 1, 3]) cache.set(ip, path)
    expect([cache.size, cache.find(1, 0), cache.find(2, 0), cache.find(3, 0)]).toEqual([2, path, null, path])
    expect([cache.find(1, 100), cache.size]).toEqual([null, 1])
  })
})

describe('black hole', () => {
  it('full segments time out again and again -> step by step down to the least MTU (RFC 4821, 7.7; RFC 8899, 4.3)', () => {
    const open = sending()
    expect(run(open, 10 * MINUTE_US).map(([, mss]) => mss)).toEqual([1160, 536, 512])
    expect(open.host.count('pathMtuGuessed')).toBe(3)
  })

  it('two timeouts -> nothing is doubted yet; a third -> smaller (RFC 1122, 4.2.3.5, R1)', () => {
    const open = sending()
    expect([run(open, 1_300_000), open.host.count('rtoTimeouts'), run(open, 200_000).length]).toEqual([[], 2, 1])
  })

  it('timeouts of 10 ms, two in half a second -> congestion can last as long, nothing is doubted yet', () => {
    const open = sending(5000, { config: { cc: { ...DEFAULT_CONGESTION, minRtoUs: 10_000 } } })
    expect(run(open, 500_000, 10_000)).toEqual([])
    expect(open.host.count('rtoTimeouts')).toBeGreaterThan(2)
    expect(run(open, 700_000, 10_000).map(([, mss]) => mss)).toEqual([1160])
  })

  it('two timeouts while shorter segments arrive -> smaller', () => {
    const open = sending(5000, {}, { mss: 1460, sackPermitted: true })
    sack(open, 4380, 5000)
    expect([run(open, 300_000), run(open, 400_000).map(([, mss]) => mss)]).toEqual([[], [1160]])
  })

  it('timeouts again and again while full segments arrive -> their length is not the reason', () => {
    const open = sending(5000, {}, { mss: 1460, sackPermitted: true })
    sack(open, 2920, 5000)
    expect([run(open, MINUTE_US), open.host.count('rtoTimeouts') > 5]).toEqual([[], true])
  })

  it('jumbo frames -> what nearly every path carries', () => {
    const open = sending(50_000, { mtu: 9000 }, { mss: 8960 })
    expect(run(open, 10_000_000).map(([, mss]) => mss)).toEqual([1160, 536, 512])
  })

  it('least MTU below all steps (--ip-mtu-min) -> down to it', () => {
    const tcp = { ...DEFAULT_TCP, rxBufLen: RX_BUF, txBufLen: TX_BUF, minPathMtu: 68 }
    const open = sending(5000, { config: { tcp } })
    expect(run(open, 10 * MINUTE_US).map(([, mss]) => mss)).toEqual([1160, 536, 256, 108, 28])
  })

  it('small segments time out -> their length is not the reason', () => {
    const open = sending(500)
    expect(run(open, MINUTE_US)).toEqual([])
  })

  it('a segment that fits the next steps times out -> the first step that makes it shorter (seed 631)', () => {
    const open = sending(1100)
    expect(run(open, 10 * MINUTE_US).map(([, mss]) => mss)).toEqual([536, 512])
  })

  it('peer with a small MSS -> steps that make no difference are left out', () => {
    const open = sending(5000, {}, { mss: 1100 })
    expect(run(open, 10 * MINUTE_US).map(([, mss]) => mss)).toEqual([536, 512])
  })

  it('smaller segments come through -> new connections begin with them; without SACK ten minutes later the next step up', () => {
    const open = sending()
    const guessed = run(open, 1_500_000).map(([, mss]) => mss)
    expect(guessed).toEqual([1160])
    expect(mssOf(another(open))).toBe(1460)
    exchange(open)
    open.host.advance(MINUTE_US)
    open.host.work()
    expect(mssOf(another(open, PEER_PORT + 2))).toBe(1160)
    expect(run(open, 10 * MINUTE_US, 1_000_000).map(([, mss]) => mss)).toEqual([1360, 1360])
  })

  it('the author of a guess ends before it has looked for more -> seconds later nobody knows of it any more', () => {
    const open = sending(5000, {}, { mss: 1460, sackPermitted: true })
    run(open, 1_500_000)
    exchange(open)
    open.host.advance(2_000_000)
    const next = another(open, PEER_PORT + 2)
    expect([mssOf(open), mssOf(next)]).toEqual([1160, 1160])
    open.host.send({ seq: PEER_ISS + 1, ack: open.host.tcb(open.flow, TCB_SND_UNA), flags: TCP_RST | TCP_ACK }, open.flow, open.gen)
    open.host.advance(20_000_000)
    expect(mssOf(another(open, PEER_PORT + 3))).toBe(1460)
  })

  it('without SACK each step up that works -> the next a minute later, up to the interface\'s MTU', () => {
    const open = sending()
    run(open, 3_500_000)
    expect(mssOf(open)).toBe(536)
    exchange(open)
    const found: number[] = []
    for (let minute = 0; minute < 20; minute++) {
      for (const [, mss] of run(open, MINUTE_US, 1_000_000)) found.push(mss)
      exchange(open)
    }
    expect(found).toEqual([1160, 1360, 1460])
    expect(open.host.slow.nextDeadlineUs()).toBe(Infinity)
  })

  it('nothing is sent after a step -> larger ones are tried in ten minutes all the same', () => {
    const open = sending()
    run(open, 1_500_000)
    acknowledge(open, 5000)
    expect(run(open, 11 * MINUTE_US, 1_000_000).map(([us, mss]) => [Math.round(us / MINUTE_US), mss])).toEqual([[10, 1360]])
  })

  it('a peer that was only away -> new connections do not suffer', () => {
    const open = sending()
    run(open, 7_000_000)
    open.host.advance(MINUTE_US)
    open.host.work()
    expect(mssOf(another(open))).toBe(1460)
  })
})

describe('interface with an MTU near 64 KiB', () => {
  it('MSS -> what a super-segment can hold whole (RFC 791, 3.1)', () => {
    const open = accepted({ mtu: 65_535 }, { mss: 65_495 })
    expect(mssOf(open)).toBe(65_455)
  })
})
