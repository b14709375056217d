import { describe, expect, it } from 'vitest'
import {
  FLAG_CWR_OWED, FLAG_ECE_OWED, FLAG_ECN, FLAG_ECN_ACCURATE, FLAGS_TOS_SHIFT, TCB_FLAGS, TCB_RCV_NXT, TO_FAST_FLOW_PROBE, TO_FAST_FLOW_SEND,
} from '../../lib/memif/index.js'
import { TCP_ACK, TCP_CWR, TCP_ECE, TCP_FIN } from '../../lib/wire/index.js'
import { ANSWER_US } from '../../service/fast/delayedack.js'
import { IRS1, ISS1, type SegmentOptions } from './frames.js'
import { FastHarness, type Sent } from './harness.js'

const CE = 3
const ECT_0 = 2
const part = (from: number, more: SegmentOptions = {}): SegmentOptions => ({ seq: IRS1 + from, data: new Uint8Array(10), tos: ECT_0, ...more })
const marks = (sent: Sent[]): number[] => sent.map(({ flags }) => flags & (TCP_ECE | TCP_CWR))

function make(flags = FLAG_ECN): { h: FastHarness; flow: number } {
  const h = new FastHarness()
  return { h, flow: h.addFlow({ flags }) }
}

describe('ECN, receiver (RFC 3168, 6.1.3)', () => {
  it('CE -> ECE on every acknowledgment and data segment until CWR', () => {
    const { h, flow } = make()
    h.receive(part(0, { tos: CE }))
    h.worker.flushDelayedAcks()
    h.receive(part(10))
    h.write(flow, new Uint8Array(5))
    h.pass()
    expect(marks(h.sent())).toEqual([TCP_ECE, TCP_ECE])
    h.receive(part(20, { flags: TCP_ACK | TCP_CWR }))
    h.pass(ANSWER_US)
    h.pass(ANSWER_US)
    expect(marks(h.sent())).toEqual([0])
  })

  it('CWR on a segment that is marked itself -> ECE goes on', () => {
    const { h } = make()
    h.receive(part(0, { tos: CE }), part(10, { tos: CE, flags: TCP_ACK | TCP_CWR }))
    h.worker.flushDelayedAcks()
    expect(marks(h.sent())).toEqual([TCP_ECE])
  })

  it('CE on what is not acceptable, or without ECN agreed on -> ignored (RFC 3168, 6.1.6)', () => {
    const { h, flow } = make()
    h.receive(part(0))
    h.receive(part(0, { tos: CE }))
    expect(h.word(flow, TCB_FLAGS) & FLAG_ECE_OWED).toBe(0)
    const plain = make(0)
    plain.h.receive(part(0, { tos: CE }))
    plain.h.worker.flushDelayedAcks()
    expect(marks(plain.h.sent())).toEqual([0])
  })

  it('ECE or CWR set -> taken on the fast path like any other', () => {
    const { h, flow } = make()
    h.receive(part(0, { flags: TCP_ACK | TCP_ECE | TCP_CWR }))
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 10)
    expect(h.told()).toEqual([])
  })
})

describe('ECN, receiver for DCTCP (RFC 8257, 3.2)', () => {
  const acks = (sent: Sent[]): (readonly [number, boolean])[] => sent.map(({ ack, flags }) => [ack - IRS1, (flags & TCP_ECE) !== 0] as const)

  it('marks begin and end -> each time what came before is acknowledged as it was, then the rest', () => {
    const { h } = make(FLAG_ECN | FLAG_ECN_ACCURATE)
    h.receive(part(0), part(10), part(20, { tos: CE }), part(30, { tos: CE }), part(40), part(50))
    h.worker.flushDelayedAcks()
    expect(acks(h.sent())).toEqual([[20, false], [40, true], [60, false]])
  })

  it('everything marked, with or without CWR -> ECE on each acknowledgment; no more marks -> none', () => {
    const { h } = make(FLAG_ECN | FLAG_ECN_ACCURATE)
    let nth = 0
    for (const flags of [TCP_ACK, TCP_ACK | TCP_CWR, TCP_ACK]) {
      h.receive(part(10 * nth++, { tos: CE, flags }))
      h.worker.flushDelayedAcks()
    }
    expect(acks(h.sent())).toEqual([[10, true], [20, true], [30, true]])
    h.receive(part(30))
    h.worker.flushDelayedAcks()
    expect(acks(h.sent())).toEqual([[40, false]])
  })

  it('an acknowledgment without data -> says nothing of marks', () => {
    const { h, flow } = make(FLAG_ECN | FLAG_ECN_ACCURATE)
    h.receive(part(0, { tos: CE }))
    h.receive({ seq: IRS1 + 10 })
    expect(h.word(flow, TCB_FLAGS) & FLAG_ECE_OWED).not.toBe(0)
  })
})

describe('ECN, sender (RFC 3168, 6.1)', () => {
  it('new data -> ECT(0); acknowledgment, FIN alone, retransmission, probe -> not (6.1.4 to 6.1.6)', () => {
    const { h, flow } = make()
    h.write(flow, new Uint8Array(10))
    h.pass()
    expect(h.sent().map(({ tos }) => tos)).toEqual([ECT_0])
    h.command(TO_FAST_FLOW_SEND, { flow, first: ISS1, second: 10 })
    h.pass()
    expect(h.sent()).toMatchObject([{ seq: ISS1, payloadLen: 10, tos: 0 }])
    h.receive({ ack: ISS1 + 10, window: 0 })
    h.write(flow, new Uint8Array(10))
    h.pass()
    h.command(TO_FAST_FLOW_PROBE, { flow })
    h.pass()
    expect(h.sent()).toMatchObject([{ payloadLen: 1, tos: 0 }])
    h.receive(part(0, { ack: ISS1 + 10 }))
    h.sent()
    h.receive(part(10, { ack: ISS1 + 20 }))
    h.pass(ANSWER_US)
    h.pass(ANSWER_US)
    expect(h.sent()).toMatchObject([{ payloadLen: 0, tos: 0 }])
    h.bump(flow, { fin: true })
    h.pass()
    expect(h.sent()).toMatchObject([{ flags: TCP_ACK | TCP_FIN, payloadLen: 0, tos: 0 }])
  })

  it('CWR owed -> on the next new data, once (6.1.2)', () => {
    const { h, flow } = make(FLAG_ECN | FLAG_CWR_OWED)
    h.receive(part(0))
    h.worker.flushDelayedAcks()
    expect(marks(h.sent())).toEqual([0])
    h.write(flow, new Uint8Array(2000))
    h.pass()
    expect(marks(h.sent())).toEqual([TCP_CWR, 0])
    expect(h.word(flow, TCB_FLAGS) & FLAG_CWR_OWED).toBe(0)
  })

  it('without ECN agreed on -> neither', () => {
    const { h, flow } = make(FLAG_CWR_OWED)
    h.write(flow, new Uint8Array(10))
    h.pass()
    expect(h.sent()).toMatchObject([{ tos: 0 }])
  })
})

describe('TOS (RFC 2474, 3)', () => {
  it('DSCP of the flow -> in every segment; the ECN bits of the field are ECN’s', () => {
    const { h, flow } = make(FLAG_ECN | (0xbb << FLAGS_TOS_SHIFT))
    h.write(flow, new Uint8Array(10))
    h.pass()
    h.receive(part(0, { ack: ISS1 + 10 }))
    h.worker.flushDelayedAcks()
    expect(h.sent().map(({ tos }) => tos)).toEqual([0xb8 | ECT_0, 0xb8])
  })
})
