/** Loss recovery as data: acknowledgments in, ranges to send and the limit for new data out. */
import { describe, expect, it } from 'vitest'
import {
  FLAG_IN_RECOVERY, FLAG_SACK, SF_ACK_BLOCKS, SF_ACK_DUPLICATES, SF_ACK_EDGES, SF_ACK_SEQ, SF_ACK_TSECR, SF_FLOW, SF_GEN,
  TCB_CWND, TCB_FLAGS, TCB_HEARD_MS, TCB_RTTVAR_US4, TCB_SND_END, TCB_SND_LIMIT, TCB_SND_MAX, TCB_SND_NXT, TCB_SND_UNA, TCB_SND_WND,
  TCB_SRTT_US8, TO_FAST_FLOW_FLAGS, TO_FAST_FLOW_SEND, TO_SLOW_ACK, WHAT_ACTIVE, WHAT_ECE,
} from '../../lib/memif/index.js'
import { DEFAULT_TCP } from '../../service/slow/index.js'
import { accepted, type Open, PEER_OPTIONS } from './scenes.js'

const BIG = { config: { tcp: { ...DEFAULT_TCP, rxBufLen: 4096, txBufLen: 1 << 20 }, appRegionBytes: 1 << 25 } }
const MSS = 1448
const RTT_US = 10_000

/** A connection with `segments` full segments in flight; sequence numbers below are counted in segments from SND.UNA. */
class Sender {
  readonly open: Open
  readonly una: number

  constructor(segments: number, hasSack = true, toFastEntries = 64) {
    this.open = accepted({ ...BIG, toFastEntries }, { ...PEER_OPTIONS, sackPermitted: hasSack })
    const { host, flow } = this.open
    this.una = host.tcb(flow, TCB_SND_UNA)
    host.setTcb(flow, TCB_SRTT_US8, RTT_US * 8)
    host.setTcb(flow, TCB_RTTVAR_US4, RTT_US * 2)
    host.setTcb(flow, TCB_SND_WND, 1 << 20)
    for (const word of [TCB_SND_NXT, TCB_SND_MAX, TCB_SND_END]) host.setTcb(flow, word, this.at(segments))
    expect((host.tcb(flow, TCB_FLAGS) & FLAG_SACK) !== 0).toBe(hasSack)
  }

  at(segment: number): number {
    return (this.una + segment * MSS) | 0
  }

  /** The peer acknowledges up to `ack` and has `blocks` beyond. */
  ack(ack: number, blocks: readonly (readonly [number, number])[] = [], options: { tsEcr?: number; duplicate?: boolean } = {}): this {
    const { host, flow, gen } = this.open
    const before = host.tcb(flow, TCB_SND_UNA)
    host.setTcb(flow, TCB_SND_UNA, this.at(ack))
    host.setTcb(flow, TCB_HEARD_MS, Math.floor(host.nowUs / 1000))
    const isDuplicate = options.duplicate ?? before === this.at(ack)
    const edges = blocks.flatMap(([start, end]) => [this.at(start), this.at(end)])
    host.worker.message(TO_SLOW_ACK, {
      [SF_FLOW]: flow, [SF_GEN]: gen, [SF_ACK_SEQ]: this.at(ack), [SF_ACK_DUPLICATES]: isDuplicate ? 1 : 0,
      [SF_ACK_BLOCKS]: blocks.length, [SF_ACK_TSECR]: options.tsEcr ?? 0,
      ...Object.fromEntries(edges.map((edge, i) => [SF_ACK_EDGES + i, edge])),
    })
    host.poll()
    return this
  }

  /** The worker sends new data up to what it may, as segments. */
  sendNew(segments: number): void {
    const { host, flow } = this.open
    for (const word of [TCB_SND_NXT, TCB_SND_MAX, TCB_SND_END]) host.setTcb(flow, word, (host.tcb(flow, word) + segments * MSS) | 0)
  }

  /** Ranges ordered since the last look, in segments; whether the flow is steered follows from flag commands. */
  resent(): [number, number][] {
    return this.commands().filter(({ type }) => type === TO_FAST_FLOW_SEND).map(({ first, second }) =>
      [((first - this.una) | 0) / MSS, (((first - this.una) | 0) + second) / MSS])
  }

  commands(): ReturnType<Open['host']['work']> {
    const commands = this.open.host.work()
    for (const { type, first, second } of commands) {
      if (type !== TO_FAST_FLOW_FLAGS) continue
      this.open.host.setTcb(this.open.flow, TCB_FLAGS, (this.open.host.tcb(this.open.flow, TCB_FLAGS) & ~second) | first)
    }
    return commands
  }

  get isSteered(): boolean {
    this.commands()
    return (this.open.host.tcb(this.open.flow, TCB_FLAGS) & FLAG_IN_RECOVERY) !== 0
  }

  /** Segments of new data that may go now. */
  get allowed(): number {
    const { host, flow } = this.open
    return ((host.tcb(flow, TCB_SND_LIMIT) - host.tcb(flow, TCB_SND_NXT)) | 0) / MSS
  }

  get isReorderingSeen(): unknown {
    const { host, flow } = this.open
    return host.slow.describeFlow({ flow }, host.nowUs)?.connection.reorderSeen
  }

  get cwnd(): number {
    return this.open.host.tcb(this.open.flow, TCB_CWND) / MSS
  }

  advance(us: number): this {
    this.open.host.advance(us)
    return this
  }
}

describe('with SACK', () => {
  it('one or two segments beyond a hole -> nothing sent again, new data instead (RFC 3042, limited transmit)', () => {
    const sender = new Sender(10).ack(0, [[1, 2]])
    expect(sender.resent()).toEqual([])
    expect([sender.isSteered, sender.allowed]).toEqual([true, 1])
    sender.ack(0, [[1, 3]])
    expect([sender.resent(), sender.allowed]).toEqual([[], 2])
  })

  it('three segments beyond a hole -> the hole, and only it, at once (RFC 6675, 5; RFC 5681, 3.2)', () => {
    const sender = new Sender(10).ack(0, [[1, 2]]).ack(0, [[1, 3]]).ack(0, [[1, 4]])
    expect(sender.resent()).toEqual([[0, 1]])
    expect(sender.open.host.count('fastRecoveries')).toBe(1)
  })

  it('several holes -> each once, in order, as the window allows (RFC 6675, 5, C; RFC 6937)', () => {
    const sender = new Sender(10).ack(0, [[1, 2], [3, 4], [5, 8]])
    const sent = sender.resent()
    for (let segment = 8; segment < 10; segment++) {
      sender.ack(0, [[5, segment + 1], [3, 4], [1, 2]])
      sent.push(...sender.resent())
    }
    expect(sent).toEqual([[0, 1], [2, 3], [4, 5]])
  })

  it('everything acknowledged -> recovery ends with the window at ssthresh, 0.7 of before (RFC 9438, 4.6)', () => {
    const sender = new Sender(10).ack(0, [[1, 10]])
    expect(sender.resent()).toEqual([[0, 1]])
    sender.advance(RTT_US).ack(10)
    expect([sender.isSteered, sender.cwnd]).toEqual([false, 7])
  })

  it('recoveries begin and end while the ring to the worker is full -> one order waits for all, with the last state', () => {
    const sender = new Sender(20, true, 2)
    for (let segment = 0; segment < 10; segment += 2) sender.ack(segment, [[segment + 1, segment + 2]]).ack(segment + 2)
    const orders: number[] = []
    for (let i = 0; i < 6; i++) orders.push(...sender.commands().map(({ type }) => type).filter((type) => type === TO_FAST_FLOW_FLAGS))
    expect(orders.length).toBeLessThanOrEqual(3)
    expect(sender.isSteered).toBe(false)
    sender.ack(10, [[11, 12]])
    expect(sender.isSteered).toBe(true)
  })

  it('a retransmission overtaken by data sent later -> sent once more after a round trip (RFC 8985, 6.2)', () => {
    const sender = new Sender(10).ack(0, [[1, 10]])
    expect(sender.resent()).toEqual([[0, 1]])
    sender.sendNew(2)
    sender.advance(RTT_US / 2).ack(0, [[1, 11]])
    expect(sender.resent()).toEqual([])
    sender.advance(RTT_US)
    expect(sender.resent()).toEqual([[0, 1]])
    expect(sender.open.host.count('rtoTimeouts')).toBe(0)
  })

  it('one segment beyond a hole, and no more -> lost once the reordering window has passed (RFC 8985, 6.2 step 5)', () => {
    const sender = new Sender(3).ack(1, [[2, 3]])
    expect(sender.resent()).toEqual([])
    sender.advance(RTT_US / 4)
    expect(sender.resent()).toEqual([[1, 2]])
  })

  it('the hole fills by itself -> nothing was lost; from now on time decides, not the count (RFC 8985, 6.2 step 3)', () => {
    const sender = new Sender(10).ack(0, [[1, 3]]).ack(3)
    expect([sender.resent(), sender.isSteered]).toEqual([[], false])
    sender.ack(3, [[4, 8]])
    expect(sender.resent()).toEqual([])
    sender.ack(8)
    expect(sender.open.host.count('fastRecoveries')).toBe(0)
  })

  it('all behind the hole arrives before time says that it is one -> new data goes with the retransmission (RFC 6937)', () => {
    const sender = new Sender(10).ack(0, [[1, 2]]).ack(2)
    sender.ack(2, [[3, 10]])
    expect([sender.resent(), sender.allowed]).toEqual([[], 9])
    sender.advance(RTT_US / 4)
    expect([sender.resent(), sender.allowed]).toEqual([[[2, 3]], 6])
  })

  it('blocks are seen late, since acknowledgments were lost -> that is no reordering', () => {
    const sender = new Sender(10).ack(0, [[5, 6], [3, 4], [1, 2]])
    expect([sender.resent(), sender.isReorderingSeen]).toEqual([[[0, 1], [2, 3], [4, 5]], false])
  })

  it('a retransmission taken for lost arrives -> that is no reordering', () => {
    const sender = new Sender(10).ack(0, [[1, 10]])
    sender.sendNew(2)
    sender.advance(2 * RTT_US).ack(0, [[1, 11]]).ack(0, [[1, 12]])
    expect(sender.resent()).toEqual([[0, 1], [0, 1]])
    expect([sender.ack(12).isSteered, sender.isReorderingSeen]).toEqual([false, false])
  })

  it('the peer says it had the retransmission twice -> the window is restored (RFC 2883, 5; RFC 4015)', () => {
    const sender = new Sender(10).ack(0, [[1, 10]])
    expect(sender.resent()).toEqual([[0, 1]])
    sender.ack(10, [[0, 1]])
    expect([sender.isSteered, sender.cwnd]).toEqual([false, 10])
    expect(sender.open.host.count('recoveriesUndone')).toBe(1)
  })

  it('the acknowledgment echoes a time before the retransmission -> the window is restored (RFC 3522, Eifel)', () => {
    const sender = new Sender(10)
    sender.open.host.nowUs += 5000
    sender.ack(0, [[1, 10]])
    sender.ack(10, [], { tsEcr: Math.floor(sender.open.host.nowUs / 1000) - 3 })
    expect(sender.cwnd).toBe(10)
    const normal = new Sender(10).ack(0, [[1, 10]])
    normal.ack(10, [], { tsEcr: Math.floor(normal.open.host.nowUs / 1000) })
    expect(normal.cwnd).toBe(7)
  })

  it('blocks that cannot be -> ignored', () => {
    const sender = new Sender(10).ack(0, [[3, 2], [9, 20], [-5, -2]])
    expect([sender.resent(), sender.allowed]).toEqual([[], 0])
    sender.ack(10)
    expect(sender.isSteered).toBe(false)
  })
})

describe('without SACK (RFC 6582)', () => {
  it('third duplicate -> the first segment; partial acknowledgment -> the next hole; full -> over', () => {
    const sender = new Sender(10, false).ack(0).ack(0)
    expect(sender.resent()).toEqual([])
    sender.ack(0)
    expect(sender.resent()).toEqual([[0, 1]])
    for (let i = 0; i < 5; i++) sender.ack(0)
    sender.ack(3)
    expect(sender.resent()).toEqual([[3, 4]])
    sender.ack(10)
    expect([sender.isSteered, sender.cwnd]).toEqual([false, 7])
  })

  it('duplicates replace what has left the network (RFC 3042; RFC 5681, 3.2 step 4)', () => {
    const sender = new Sender(10, false).ack(0).ack(0)
    expect(sender.allowed).toBe(2)
  })
})

describe('lost retransmission', () => {
  /** In recovery; all but the first of `segments`, which has been sent again, has arrived. */
  const recovering = (segments: number): Sender => {
    const sender = new Sender(segments)
    sender.open.host.report(sender.open.flow, sender.open.gen, WHAT_ACTIVE)
    sender.ack(0, [[1, segments]])
    expect(sender.resent()).toEqual([[0, 1]])
    return sender
  }

  it('nothing else is under way and nothing comes for two round trips -> once more, without a timeout', () => {
    const sender = recovering(5).advance(2 * RTT_US - 1)
    expect(sender.resent()).toEqual([])
    expect(sender.advance(1).resent()).toEqual([[0, 1]])
    sender.ack(5)
    expect([sender.isSteered, sender.cwnd, sender.open.host.count('rtoTimeouts')]).toEqual([false, 7, 0])
  })

  it('the second is lost as well -> a timeout', () => {
    const sender = recovering(5).advance(2 * RTT_US)
    expect(sender.resent()).toEqual([[0, 1]])
    sender.advance(100_000)
    expect(sender.resent()).toEqual([])
    sender.advance(100_000)
    expect([sender.resent(), sender.open.host.count('rtoTimeouts')]).toEqual([[[0, 1]], 1])
  })

  it('it has arrived, and nothing is known of what is behind it -> the last segment once more (RFC 8985, 7.3)', () => {
    const sender = recovering(5)
    sender.sendNew(3)
    sender.ack(5).ack(5, [[6, 7]])
    sender.advance(RTT_US / 4).resent()
    sender.ack(7).sendNew(2)
    expect([sender.advance(3 * RTT_US).resent(), sender.open.host.count('rtoTimeouts')]).toEqual([[[9, 10]], 0])
    sender.ack(8, [[9, 10]])
    expect(sender.resent()).toEqual([[8, 9]])
  })

  it('both had arrived, as a D-SACK says of one -> the window stays reduced', () => {
    const sender = recovering(5).advance(2 * RTT_US)
    sender.ack(5, [[0, 1]])
    expect([sender.isSteered, sender.isReorderingSeen, sender.open.host.count('recoveriesUndone')]).toEqual([false, false, 0])
  })
})

describe('lost tail', () => {
  const report = ({ open }: Sender): void => open.host.report(open.flow, open.gen, WHAT_ACTIVE)

  it('no acknowledgment for two round trips -> the last segment once more (RFC 8985, 7.2 and 7.3)', () => {
    const sender = new Sender(10)
    report(sender)
    sender.advance(2 * RTT_US - 1)
    expect(sender.resent()).toEqual([])
    sender.advance(1)
    expect(sender.resent()).toEqual([[9, 10]])
    expect(sender.open.host.count('tailLossProbes')).toBe(1)
  })

  it('the probe’s acknowledgment shows the hole -> recovery without a timeout', () => {
    const sender = new Sender(10)
    report(sender)
    sender.advance(2 * RTT_US)
    sender.resent()
    sender.advance(RTT_US).ack(6, [[9, 10]])
    sender.advance(RTT_US / 4)
    expect(sender.resent()).toEqual([[6, 9]])
    expect([sender.open.host.count('rtoTimeouts'), sender.open.host.count('fastRecoveries')]).toEqual([0, 1])
  })

  it('the probe was needless (D-SACK) -> window as before; it was the last segment itself that was lost -> reduced', () => {
    for (const isNeedless of [true, false]) {
      const sender = new Sender(10)
      report(sender)
      sender.advance(2 * RTT_US)
      if (isNeedless) sender.ack(10, [[9, 10]])
      else {
        sender.ack(10)
        sender.sendNew(1)
        sender.ack(11)
      }
      expect(sender.isSteered).toBe(false)
      sender.open.host.report(sender.open.flow, sender.open.gen, WHAT_ACTIVE)
      expect(sender.open.host.count('tailLossProbes')).toBe(1)
    }
  })

  it('no answer to the probe either -> retransmission timeout: one segment, the rest in slow start (RFC 6298, 5.4; RFC 5681, 3.1)', () => {
    const sender = new Sender(10)
    report(sender)
    sender.advance(2 * RTT_US)
    sender.resent()
    sender.advance(200_000)
    expect(sender.resent()).toEqual([[0, 1]])
    expect(sender.open.host.count('rtoTimeouts')).toBe(1)
    sender.ack(1)
    expect(sender.resent()).toEqual([[1, 3]])
    sender.ack(3)
    expect(sender.resent()).toEqual([[3, 7]])
    sender.ack(10)
    expect(sender.isSteered).toBe(false)
  })

  it('timeout with SACKed data -> only the holes are sent again (RFC 6675, 5.1)', () => {
    const sender = new Sender(10).ack(0, [[2, 3]])
    report(sender)
    sender.advance(250_000)
    sender.resent()
    sender.ack(2, [[2, 3]])
    sender.ack(3)
    const sent = sender.resent().flatMap(([from, to]) => Array.from({ length: to - from }, (_, i) => from + i))
    expect(sent).not.toContain(2)
    expect(sent).toContain(3)
  })
})

describe('congestion echo (RFC 3168, 6.1.2)', () => {
  it('ECE -> the window is reduced once for each window of data and CWR is owed', () => {
    const sender = new Sender(10)
    const echo = (): void => sender.open.host.report(sender.open.flow, sender.open.gen, WHAT_ECE)
    echo()
    echo()
    expect(sender.cwnd).toBe(7)
    sender.sendNew(3)
    sender.open.host.setTcb(sender.open.flow, TCB_SND_UNA, sender.at(10))
    echo()
    expect(sender.cwnd).toBeLessThan(5)
    expect(sender.open.host.count('ecnReductions')).toBe(2)
  })
})
