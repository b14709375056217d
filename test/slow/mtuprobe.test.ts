/** Probes of the path's MTU (RFC 4821, 7; RFC 8899): when one is ordered, and what becomes of it. */
import { describe, expect, it } from 'vitest'
import {
  SF_ACK_BLOCKS, SF_ACK_DUPLICATES, SF_ACK_EDGES, SF_ACK_SEQ, SF_ACK_TSECR, SF_FLOW, SF_GEN, SF_LEN, SF_SEQ, TCB_ACKED_BYTES, TCB_CWND,
  TCB_HEARD_MS, TCB_MSS_U16, TCB_RTTVAR_US4, TCB_SND_END, TCB_SND_MAX, TCB_SND_NXT, TCB_SND_UNA, TCB_SND_WND, TCB_SRTT_US8,
  TO_FAST_FLOW_MSS, TO_FAST_FLOW_MTU_PROBE, TO_FAST_FLOW_SEND, TO_SLOW_ACK, TO_SLOW_MTU_PROBE, WHAT_ACTIVE, WHAT_CWND_LIMITED,
  WHAT_TX_LIMITED,
} from '../../lib/memif/index.js'
import { DEFAULT_TCP } from '../../service/slow/index.js'
import { errorFrame, quote } from './icmpframes.js'
import { accepted, type Open, PEER_OPTIONS } from './scenes.js'

const BIG = { config: { tcp: { ...DEFAULT_TCP, rxBufLen: 4096, txBufLen: 1 << 20 }, appRegionBytes: 1 << 25 } }
const NARROW_MTU = 1300
/** With timestamps. */
const NARROW = NARROW_MTU - 52
const FULL = 1448
const RTT_US = 10_000
const MINUTE_US = 60_000_000
const WINDOW = 1 << 20

/** A connection whose path a router has said to be narrow, ten minutes and more ago. */
class Prober {
  readonly open: Open
  /** First number of the probe that is out. */
  probe = 0

  constructor(unsentBytes = 20_000) {
    this.open = accepted(BIG, PEER_OPTIONS)
    const { host, flow } = this.open
    host.setTcb(flow, TCB_SRTT_US8, RTT_US * 8)
    host.setTcb(flow, TCB_RTTVAR_US4, RTT_US * 2)
    host.setTcb(flow, TCB_SND_WND, WINDOW)
    this.send(5000)
    host.receiveFrame(errorFrame(3, 4, quote(this.open, host.tcb(flow, TCB_SND_UNA), 1500), NARROW_MTU))
    this.commands()
    this.finish()
    host.advance(599_000_000)
    this.write(unsentBytes)
    host.advance(1_000_001)
  }

  /** The application has written `bytes`, which the worker has not sent yet: no timer runs, since nothing is reported. */
  write(bytes: number): void {
    const { host, flow } = this.open
    host.setTcb(flow, TCB_SND_END, host.tcb(flow, TCB_SND_MAX) + bytes)
  }

  /** Windows full of data come through, until the window has at least `cwnd` bytes. */
  grow(cwnd: number): void {
    const { host, flow, gen } = this.open
    for (let round = 0; this.cwnd < cwnd && round < 100; round++) {
      this.send(this.cwnd)
      this.acknowledge(host.tcb(flow, TCB_SND_MAX))
      host.report(flow, gen, WHAT_CWND_LIMITED)
      host.advance(RTT_US)
    }
    this.commands()
  }

  /** The worker sends `bytes` of what is new. */
  send(bytes: number): void {
    const { host, flow, gen } = this.open
    for (const word of [TCB_SND_NXT, TCB_SND_MAX]) host.setTcb(flow, word, (host.tcb(flow, word) + bytes) | 0)
    if (((host.tcb(flow, TCB_SND_END) - host.tcb(flow, TCB_SND_MAX)) | 0) < 0) host.setTcb(flow, TCB_SND_END, host.tcb(flow, TCB_SND_MAX))
    host.report(flow, gen, WHAT_ACTIVE)
  }

  acknowledge(ack: number): void {
    const { host, flow } = this.open
    host.setTcb(flow, TCB_ACKED_BYTES, host.tcb(flow, TCB_ACKED_BYTES) + ((ack - host.tcb(flow, TCB_SND_UNA)) | 0))
    host.setTcb(flow, TCB_SND_UNA, ack)
  }

  /** A quarter of a round trip, at the end of which a segment is acknowledged. */
  progress(): void {
    const { host, flow } = this.open
    host.advance(RTT_US / 4)
    this.acknowledge(host.tcb(flow, TCB_SND_UNA) + NARROW)
    host.setTcb(flow, TCB_HEARD_MS, Math.floor(host.nowUs / 1000))
  }

  /** SND.UNA stays; the peer has [from, to) beyond it. */
  sack(from: number, to: number): void {
    const { host, flow, gen } = this.open
    host.worker.message(TO_SLOW_ACK, {
      [SF_FLOW]: flow, [SF_GEN]: gen, [SF_ACK_SEQ]: host.tcb(flow, TCB_SND_UNA), [SF_ACK_DUPLICATES]: 1, [SF_ACK_BLOCKS]: 1,
      [SF_ACK_EDGES]: from, [SF_ACK_EDGES + 1]: to, [SF_ACK_TSECR]: 0,
    })
    host.poll()
  }

  commands(): ReturnType<Open['host']['work']> {
    const { host } = this.open
    const commands = host.work()
    for (const { type, flow, first } of commands) {
      if (type === TO_FAST_FLOW_MSS) host.state.halves[(host.state.tcbWord + flow * 32) * 2 + TCB_MSS_U16] = first
    }
    return commands
  }

  /** Lengths of the probes ordered since the last look. */
  orders(): number[] {
    return this.commands().filter(({ type }) => type === TO_FAST_FLOW_MTU_PROBE).map(({ first }) => first)
  }

  /** The worker answers an order; `lenBytes` 0: not possible. The probe and what it sends behind it are `sentBytes`. */
  answer(lenBytes: number, sentBytes = lenBytes === 0 ? 0 : lenBytes + 3.5 * NARROW): void {
    const { host, flow, gen } = this.open
    this.probe = host.tcb(flow, TCB_SND_NXT)
    host.worker.message(TO_SLOW_MTU_PROBE, { [SF_FLOW]: flow, [SF_GEN]: gen, [SF_SEQ]: this.probe, [SF_LEN]: lenBytes })
    host.poll()
    if (sentBytes > 0) this.send(sentBytes)
    this.commands()
  }

  /** The probe of `lenBytes`, ordered now, is lost alone and repaired. Returns the range that is sent again, from the probe's start on. */
  lose(lenBytes: number): number[][] {
    expect(this.orders()).toEqual([lenBytes])
    this.answer(lenBytes)
    this.sack(this.probe + lenBytes, this.probe + lenBytes + 3 * NARROW)
    const again = this.resent()
    this.finish()
    return again
  }

  resent(): number[][] {
    return this.commands().filter(({ type }) => type === TO_FAST_FLOW_SEND).map(({ first, second }) => [(first - this.probe) | 0, second])
  }

  /** All that there is has come through. */
  finish(): void {
    const { host, flow, gen } = this.open
    const max = host.tcb(flow, TCB_SND_MAX)
    host.setTcb(flow, TCB_SND_END, max)
    this.acknowledge(max)
    host.worker.message(TO_SLOW_ACK, {
      [SF_FLOW]: flow, [SF_GEN]: gen, [SF_ACK_SEQ]: max, [SF_ACK_DUPLICATES]: 0, [SF_ACK_BLOCKS]: 0, [SF_ACK_TSECR]: 0,
    })
    host.poll()
  }

  get cwnd(): number {
    return this.open.host.tcb(this.open.flow, TCB_CWND)
  }

  get mss(): number {
    const { host, flow } = this.open
    return host.state.halves[(host.state.tcbWord + flow * 32) * 2 + TCB_MSS_U16]
  }
}

describe('ten minutes after a router said so (RFC 8899, 5.1.1: PMTU_RAISE_TIMER)', () => {
  it('enough to send -> a probe of the full size, and no data in larger segments', () => {
    const prober = new Prober()
    expect([prober.orders(), prober.mss]).toEqual([[FULL], NARROW])
  })

  it('too little to send behind it -> none; a look again now and then, and one once there is enough (RFC 4821, 7.4)', () => {
    const prober = new Prober(FULL + 3 * NARROW - 1)
    const { host, flow } = prober.open
    host.advance(10_000_000)
    expect(prober.orders()).toEqual([])
    host.setTcb(flow, TCB_SND_END, host.tcb(flow, TCB_SND_END) + 1)
    host.advance(20_000_000)
    expect(prober.orders()[0]).toBe(FULL)
  })

  it.each([['the application waits for room', WHAT_TX_LIMITED], ['the window is full', WHAT_CWND_LIMITED]])(
    'too little to send, then %s -> a probe at once, 10 ms after the last look at the soonest', (_name, what) => {
      const prober = new Prober(0)
      const { host, flow, gen } = prober.open
      // The next look of a connection that rests is more than two seconds off by then.
      host.advance(5_000_000)
      host.report(flow, gen, what)
      expect(prober.orders()).toEqual([])
      prober.write(20_000)
      host.advance(9_999)
      host.report(flow, gen, what)
      expect(prober.orders()).toEqual([])
      host.advance(1)
      host.report(flow, gen, what)
      expect(prober.orders()).toEqual([FULL])
    })

  it('all of the window is in flight -> less is allowed for two round trips, then the probe has room', () => {
    const flightBytes = 18_000
    const prober = new Prober(0)
    const { host, flow } = prober.open
    prober.grow(flightBytes)
    host.setTcb(flow, TCB_SND_WND, flightBytes)
    prober.send(flightBytes)
    const { cwnd } = prober
    expect(cwnd).toBeGreaterThanOrEqual(flightBytes)
    for (let steps = 0; prober.cwnd >= cwnd && steps < 1000; steps++) {
      prober.progress()
      prober.send(NARROW)
      prober.write(50_000)
    }
    expect([prober.cwnd, prober.orders()]).toEqual([flightBytes - 2 * (FULL + 3 * NARROW), []])
    for (let steps = 0; steps < 10; steps++) prober.progress()
    expect(prober.orders()).toEqual([FULL])
    prober.answer(FULL)
    expect(prober.cwnd).toBeGreaterThanOrEqual(cwnd)
  })
})

describe('probe', () => {
  it('acknowledged -> segments of its size from now on, for new connections too', () => {
    const prober = new Prober()
    prober.orders()
    prober.answer(FULL)
    prober.acknowledge(prober.probe + FULL)
    prober.open.host.advance(RTT_US)
    prober.commands()
    const { host } = prober.open
    expect([prober.mss, host.count('mtuProbes'), host.count('mtuProbesLost'), host.count('pathMtuRaised')]).toEqual([FULL, 1, 0, 1])
  })

  it('lost alone -> sent again at once, and window, threshold and timer stay (RFC 4821, 7.5)', () => {
    const prober = new Prober()
    const { cwnd } = prober
    expect(prober.lose(FULL)).toEqual([[0, FULL]])
    const { host } = prober.open
    expect(['mtuProbesLost', 'fastRecoveries', 'rtoTimeouts'].map((name) => host.count(name as 'mtuProbesLost'))).toEqual([1, 0, 0])
    expect([prober.cwnd >= cwnd, prober.mss]).toEqual([true, NARROW])
  })

  it('lost again after it was sent again -> that is congestion', () => {
    const prober = new Prober()
    prober.orders()
    prober.answer(FULL)
    const { host, flow } = prober.open
    prober.sack(prober.probe + FULL, prober.probe + FULL + 3 * NARROW)
    expect(prober.resent()).toEqual([[0, FULL]])
    host.advance(5 * RTT_US)
    const max = host.tcb(flow, TCB_SND_MAX)
    prober.send(4 * NARROW)
    prober.sack(max, max + 4 * NARROW)
    host.advance(5 * RTT_US)
    expect(host.count('fastRecoveries')).toBe(1)
  })

  it('lost three times, a second and more apart -> a smaller one is tried (RFC 8899, 5.1.2: MAX_PROBES)', () => {
    const prober = new Prober()
    const { host } = prober.open
    for (let nth = 0; nth < 3; nth++) {
      prober.lose(FULL)
      host.advance(900_000)
      prober.write(20_000)
      expect(prober.orders()).toEqual([])
      host.advance(300_000)
    }
    const [next] = prober.orders()
    expect([next > NARROW, next < FULL]).toEqual([true, true])
  })

  it('lost with what is behind it -> congestion, and nothing is known of the size (RFC 4821, 7.6.4)', () => {
    const prober = new Prober()
    const { host } = prober.open
    for (let nth = 0; nth < 2; nth++) {
      expect(prober.orders()).toEqual([FULL])
      prober.answer(FULL)
      prober.send(2 * NARROW)
      prober.sack(prober.probe + FULL + NARROW, prober.probe + FULL + 5 * NARROW)
      expect(host.count('fastRecoveries')).toBe(nth + 1)
      prober.finish()
      host.advance(900_000)
      prober.write(20_000)
      host.advance(300_000)
    }
    expect(host.count('mtuProbesLost')).toBe(0)
  })

  it('everything is lost -> the timeout is one, and says nothing of the size', () => {
    const prober = new Prober()
    prober.orders()
    prober.answer(FULL)
    const { host } = prober.open
    host.advance(MINUTE_US / 60)
    expect([host.count('rtoTimeouts') > 0, host.count('mtuProbesLost'), prober.mss]).toEqual([true, 0, NARROW])
  })

  it('a router tells its size -> that is tried next, nothing becomes smaller (RFC 8899, 4.6.1)', () => {
    const prober = new Prober()
    const { host } = prober.open
    prober.orders()
    prober.answer(FULL)
    host.receiveFrame(errorFrame(3, 4, quote(prober.open, prober.probe, 1500), 1400))
    expect([prober.commands().filter(({ type }) => type === TO_FAST_FLOW_MSS), host.count('pathMtuTold')]).toEqual([[], 1])
    prober.sack(prober.probe + FULL, prober.probe + FULL + 3 * NARROW)
    prober.finish()
    host.advance(900_000)
    prober.write(20_000)
    host.advance(300_000)
    expect(prober.orders()).toEqual([1400 - 52])
  })

  it('not possible when the worker gets to it -> tried again later', () => {
    const prober = new Prober()
    prober.orders()
    prober.answer(0)
    prober.open.host.advance(1_000_000)
    expect(prober.orders()).toEqual([FULL])
  })

  it('no answer, since the worker has died -> tried again; an answer that comes too late is ignored', () => {
    const prober = new Prober()
    prober.orders()
    const { host } = prober.open
    host.advance(1_100_000)
    prober.answer(FULL, 0)
    expect(host.count('mtuProbes')).toBe(0)
    host.advance(1_000_000)
    expect(prober.orders()).toEqual([FULL])
  })

  it('the connection ends meanwhile -> no timer stays', () => {
    const prober = new Prober()
    prober.orders()
    const { host, app } = prober.open
    host.slow.apps.removeApp(app.id)
    for (let i = 0; i < 6; i++) host.work()
    host.advance(200_000_000)
    expect(host.slow.nextDeadlineUs()).toBe(Infinity)
  })
})
