import { describe, expect, it } from 'vitest'
import {
  FLAG_FIN_RECEIVED, TO_SLOW_FLOW_REMOVED, FLAG_REMOVING, WHAT_FIN_RECEIVED, TCB_FLAGS, TCB_OOO_END, TCB_OOO_START, TCB_RCV_NXT,
} from '../../lib/memif/index.js'
import { TCP_ACK, TCP_FIN } from '../../lib/wire/index.js'
import { IRS1 } from './frames.js'
import { FastHarness } from './harness.js'

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

describe('worker killed before the copies of a burst', () => {
  it('in-order data -> not counted as received; the peer sends it again', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ data: 'kept ' })
    h.killBeforeCopy({ seq: IRS1 + 5, data: 'lost ' }, { seq: IRS1 + 10, data: 'too' })
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 5)
    h.receive({ seq: IRS1 + 5, data: 'lost too' })
    expect(text(h.received(flow, IRS1, 13))).toBe('kept lost too')
  })

  it('FIN behind the data -> not received either', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.killBeforeCopy({ data: 'end', flags: TCP_ACK | TCP_FIN })
    expect(h.word(flow, TCB_FLAGS) & FLAG_FIN_RECEIVED).toBe(0)
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1)
  })

  it('data behind a gap -> forgotten, and not taken for received when the gap closes', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.killBeforeCopy({ seq: IRS1 + 3, data: 'def' })
    expect(h.word(flow, TCB_OOO_START)).toBe(h.word(flow, TCB_OOO_END))
    h.receive({ data: 'abc' })
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 3)
  })

  it('a gap that closed in the burst -> open again', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ seq: IRS1 + 3, data: 'def' })
    h.killBeforeCopy({ data: 'abc' })
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1)
    h.receive({ data: 'abcdef' })
    expect(text(h.received(flow, IRS1, 6))).toBe('abcdef')
  })
})

describe('worker killed before it told the slow path', () => {
  it('the FIN of a peer -> told by the next one (seed 4894)', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ flags: TCP_ACK | TCP_FIN })
    h.told()
    h.replaceWorker()
    h.pass()
    expect(h.told().some(({ what }) => (what & WHAT_FIN_RECEIVED) !== 0)).toBe(true)
    expect(h.word(flow, TCB_FLAGS) & FLAG_FIN_RECEIVED).not.toBe(0)
  })

  it('a flow that it was to remove -> the next one lets go of it and says so (seed 10197)', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.state.words[h.tcb(flow) + TCB_FLAGS] |= FLAG_REMOVING
    h.replaceWorker()
    h.pass()
    expect(h.told()).toContainEqual(expect.objectContaining({ type: TO_SLOW_FLOW_REMOVED, flow }))
    expect(h.count('flows')).toBe(0)
  })
})
