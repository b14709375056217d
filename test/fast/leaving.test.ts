/** A flow goes to another worker, and comes from one. */
import { describe, expect, it } from 'vitest'
import {
  EVENT_TURN_SHIFT, FLAGS_LISTED, FLOW_HANDED, FLOW_OWNED, flowState, MOVE_TURN, MOVE_WORDS, TCB_FLAGS, TCB_RCV_NXT, TCB_SND_END, TCB_STATE_U8,
  TO_FAST_FLOW_ENTER, TO_FAST_FLOW_LEAVE, TO_SLOW_FLOW, TO_SLOW_FLOW_LEFT, TO_SLOW_PACKET, WHAT_FIN_QUEUED,
} from '../../lib/memif/index.js'
import { RX_CHECKSUM_GOOD } from '../../native/port.js'
import { IRS1, ISS1, type SegmentOptions } from './frames.js'
import { FastHarness } from './harness.js'

const TURN = 3
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

function stateOf(h: FastHarness, flow: number): number {
  return h.state.bytes[h.tcb(flow) * 4 + TCB_STATE_U8]
}

function inject(h: FastHarness, ...segments: SegmentOptions[]): void {
  for (const segment of segments) h.port.inject(h.frame(segment), RX_CHECKSUM_GOOD)
}

function leave(h: FastHarness, flow: number): void {
  h.command(TO_FAST_FLOW_LEAVE, { flow, app: TURN })
}

/** The flow comes (back) from another worker, for the time TURN. */
function enter(h: FastHarness, flow: number): void {
  h.state.words[h.state.places.movesWord + flow * MOVE_WORDS + MOVE_TURN] = TURN
  h.state.bytes[h.tcb(flow) * 4 + TCB_STATE_U8] = FLOW_HANDED
  h.command(TO_FAST_FLOW_ENTER, { flow })
  h.pass()
}

describe('TO_FAST_FLOW_LEAVE', () => {
  it('an idle flow -> let go in the same pass, answered with its turn', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.told()
    leave(h, flow)
    h.pass()
    expect(h.told()).toEqual([expect.objectContaining({ type: TO_SLOW_FLOW_LEFT, flow, turn: TURN })])
    expect([stateOf(h, flow), h.count('flows'), h.word(flow, TCB_FLAGS) & FLAGS_LISTED]).toEqual([FLOW_HANDED, 0, 0])
  })

  it('more frames than a burst wait -> all are handled first, in the TCB and in the buffer', () => {
    const h = new FastHarness({ burst: 2 })
    const flow = h.addFlow()
    leave(h, flow)
    inject(h, { data: 'a' }, { seq: IRS1 + 1, data: 'b' }, { seq: IRS1 + 2, data: 'c' }, { seq: IRS1 + 3, data: 'd' }, { seq: IRS1 + 4, data: 'e' })
    for (const left of [false, false, true]) {
      h.pass()
      expect(h.told().some(({ type }) => type === TO_SLOW_FLOW_LEFT)).toBe(left)
    }
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 5)
    expect(text(h.received(flow, IRS1, 5))).toBe('abcde')
  })

  it('the application has written and closed, and says no more -> heard, and told, before it leaves', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.told()
    h.write(flow, new TextEncoder().encode('last words'), { fin: true })
    leave(h, flow)
    h.pass()
    const told = h.told()
    expect(told.map(({ type }) => type)).toEqual([TO_SLOW_FLOW, TO_SLOW_FLOW_LEFT])
    expect(told[0].what & WHAT_FIN_QUEUED).not.toBe(0)
    expect(h.word(flow, TCB_SND_END)).toBe(ISS1 + 10)
    expect(h.sent()).toEqual([])
  })

  it('then frames and late bumps of it -> up as those of no flow; dropped', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    leave(h, flow)
    h.pass()
    h.told()
    h.state.bytes[h.tcb(flow) * 4 + TCB_STATE_U8] = flowState(FLOW_OWNED, 1)
    h.bump(flow, { end: ISS1 + 5 })
    h.receive({ data: 'new' })
    expect(h.told()).toEqual([expect.objectContaining({ type: TO_SLOW_PACKET, flow: -1 })])
    expect([h.word(flow, TCB_SND_END), h.word(flow, TCB_RCV_NXT), h.count('appBadBumps')]).toEqual([ISS1, IRS1, 0])
    expect(h.worker.hasWork()).toBe(false)
  })

  it('a flow that is not there -> answered at once', () => {
    const h = new FastHarness()
    h.told()
    leave(h, 5)
    h.pass()
    expect(h.told()).toEqual([expect.objectContaining({ type: TO_SLOW_FLOW_LEFT, flow: 5, turn: TURN })])
  })

  it('no room for the answer -> kept, and let go when there is', () => {
    const h = new FastHarness({ toSlowEntries: 4 })
    const flows = Array.from({ length: 6 }, () => h.addFlow())
    h.told()
    for (const flow of flows) leave(h, flow)
    h.pass()
    const first = h.told().filter(({ type }) => type === TO_SLOW_FLOW_LEFT).length
    expect(first).toBeLessThan(6)
    expect(flows.filter((flow) => stateOf(h, flow) === FLOW_OWNED)).toHaveLength(6 - first)
    h.pass()
    expect(h.told().filter(({ type }) => type === TO_SLOW_FLOW_LEFT)).toHaveLength(6 - first)
  })

  it('killed before it lets go -> the next worker has the flow; told again, it lets go', () => {
    const h = new FastHarness({ burst: 1 })
    const flow = h.addFlow()
    leave(h, flow)
    inject(h, { data: 'a' })
    h.pass()
    h.replaceWorker()
    expect(stateOf(h, flow)).toBe(FLOW_OWNED)
    leave(h, flow)
    h.pass()
    expect(h.told().some(({ type, turn }) => type === TO_SLOW_FLOW_LEFT && turn === TURN)).toBe(true)
    expect(stateOf(h, flow)).toBe(FLOW_HANDED)
  })
})

describe('TO_FAST_FLOW_ENTER', () => {
  it('a flow with data both ways -> event of the new turn, acknowledgment and unsent data', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ cwnd: 4 })
    h.receive({ data: 'abc' })
    h.write(flow, new TextEncoder().encode('to be sent'))
    leave(h, flow)
    h.pass()
    h.seen()
    h.sent()
    h.told()
    enter(h, flow)
    expect(h.seen()).toEqual([expect.objectContaining({ flow, gen: 7 | (TURN << EVENT_TURN_SHIFT), rcvEnd: IRS1 + 3, sndUna: ISS1 })])
    const sent = h.sent()
    expect(sent.map(({ data }) => text(data)).join('')).toBe('to b')
    expect(sent.every(({ ack }) => ack === IRS1 + 3)).toBe(true)
    expect([stateOf(h, flow), h.count('flows')]).toEqual([FLOW_OWNED, 1])
  })

  it('meant for another worker -> left alone', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    leave(h, flow)
    h.pass()
    h.state.bytes[h.tcb(flow) * 4 + TCB_STATE_U8] = flowState(FLOW_HANDED, 1)
    h.command(TO_FAST_FLOW_ENTER, { flow })
    h.pass()
    expect([stateOf(h, flow), h.count('flows')]).toEqual([flowState(FLOW_HANDED, 1), 0])
  })
})
