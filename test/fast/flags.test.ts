/** TO_FAST_FLOW_FLAGS: options of a connection reach its TCB, and nothing else does. */
import { describe, expect, it } from 'vitest'
import {
  FLAG_CWND_LIMITED, FLAG_FIN_RECEIVED, FLAG_NAGLE, FLAG_REMOVING, FLAG_TIMESTAMPS, FLAGS_SLOW, FLAGS_DSCP, FLAGS_TOS_SHIFT, SF_CLEAR, SF_FLOW,
  SF_GEN, SF_TYPE, SF_VALUE, TCB_FLAGS, TO_FAST_FLOW_FLAGS,
} from '../../lib/memif/index.js'
import { FastHarness } from './harness.js'

const GEN = 7
const TOS_BITS = FLAGS_DSCP

function order({ toFast }: FastHarness, flow: number, set: number, clear: number, gen = GEN): void {
  const entry = toFast.reserve()
  const { words } = toFast
  for (const [word, value] of [[SF_TYPE, TO_FAST_FLOW_FLAGS], [SF_FLOW, flow], [SF_GEN, gen], [SF_VALUE, set], [SF_CLEAR, clear]]) {
    words[entry + word] = value
  }
  toFast.pushMessage(entry)
  toFast.publish()
}

describe('flags: order of the slow path', () => {
  it('bits of options -> cleared, then set; TOS byte as a whole', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ timestamps: true })
    order(h, flow, FLAG_NAGLE | (0x88 << FLAGS_TOS_SHIFT), FLAG_NAGLE | TOS_BITS)
    h.pass()
    expect(h.word(flow, TCB_FLAGS)).toBe(FLAG_TIMESTAMPS | FLAG_NAGLE | (0x88 << FLAGS_TOS_SHIFT))
    order(h, flow, 0x10 << FLAGS_TOS_SHIFT, FLAG_NAGLE | TOS_BITS)
    h.pass()
    expect(h.word(flow, TCB_FLAGS)).toBe(FLAG_TIMESTAMPS | (0x10 << FLAGS_TOS_SHIFT))
  })

  it('bits that are the worker’s -> left as they are', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ timestamps: true })
    order(h, flow, ~FLAGS_SLOW, ~FLAGS_SLOW)
    h.pass()
    expect(h.word(flow, TCB_FLAGS)).toBe(FLAG_TIMESTAMPS)
    for (const flag of [FLAG_TIMESTAMPS, FLAG_REMOVING, FLAG_FIN_RECEIVED, FLAG_CWND_LIMITED]) expect(FLAGS_SLOW & flag).toBe(0)
  })

  it('for an earlier use of the flow, or one that is free -> nothing', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    order(h, flow, FLAG_NAGLE, 0, GEN - 1)
    order(h, flow + 1, FLAG_NAGLE, 0, 0)
    h.pass()
    expect([h.word(flow, TCB_FLAGS), h.word(flow + 1, TCB_FLAGS)]).toEqual([0, 0])
  })
})
