/** TO_FAST_FLOW_MTU_PROBE: one segment longer than the MSS (RFC 4821, 7.4). */
import { describe, expect, it } from 'vitest'
import { FLAG_IN_RECOVERY, TCB_SND_MAX, TCB_SND_NXT, TO_FAST_FLOW_FLAGS, TO_FAST_FLOW_MTU_PROBE } from '../../lib/memif/index.js'
import { ISS1 } from './frames.js'
import { FastHarness } from './harness.js'

const PROBE = 1700
const MSS = 1448
const NEEDED = PROBE + 3 * MSS
const WINDOW = 100_000
const bytes = Uint8Array.from({ length: 60_000 }, (_, i) => (i * 7) & 255)

interface Scene {
  readonly h: FastHarness
  readonly flow: number
}

/** 30 segments are in flight, all that the window of the TCB allows, and `unsent` bytes wait behind. */
function sending(unsent: number, options: { offload?: boolean; sndWnd?: number } = {}): Scene {
  const h = new FastHarness({ offload: options.offload ?? false })
  const flow = h.addFlow({ txLog2: 17, sndWnd: options.sndWnd ?? WINDOW, cwnd: 30 * MSS })
  h.write(flow, bytes.subarray(0, 30 * MSS + unsent))
  for (let i = 0; i < 10; i++) h.pass()
  h.sent()
  h.told()
  return { h, flow }
}

/** What the worker answers to an order; sequence numbers are counted from the first byte. */
function order({ h, flow }: Scene, len = PROBE, cwnd = WINDOW): number[][] {
  h.command(TO_FAST_FLOW_MTU_PROBE, { flow, first: len, second: cwnd })
  h.pass()
  return h.toldProbes().map(([seq, lenBytes]) => [seq - ISS1, lenBytes])
}

const REFUSED = [[30 * MSS, 0]]

describe('probe', () => {
  it.each([false, true])('enough data and room (offload: %s) -> one packet of that length, the next data; the slow path hears where', (offload) => {
    const scene = sending(NEEDED, { offload })
    expect(order(scene)).toEqual([[30 * MSS, PROBE]])
    const [probe] = scene.h.sent()
    expect([probe.seq - ISS1, probe.data.length, probe.gso]).toEqual([30 * MSS, PROBE, 0])
    expect(probe.data).toEqual(bytes.subarray(30 * MSS, 30 * MSS + PROBE))
    expect([TCB_SND_NXT, TCB_SND_MAX].map((word) => scene.h.word(scene.flow, word) - ISS1)).toEqual([30 * MSS + PROBE, 30 * MSS + PROBE])
  })

  it('what follows -> ordinary segments', () => {
    const scene = sending(NEEDED)
    order(scene)
    scene.h.sent()
    scene.h.receive({ ack: ISS1 + 30 * MSS })
    expect(scene.h.sent().map(({ seq, data }) => [seq - ISS1 - 30 * MSS - PROBE, data.length])).toEqual([[0, MSS], [MSS, MSS], [2 * MSS, MSS]])
  })

  it('too little to follow it -> refused', () => {
    const scene = sending(NEEDED - 1)
    expect([order(scene), scene.h.sent()]).toEqual([REFUSED, []])
  })

  it('the congestion window has no room -> refused', () => {
    expect(order(sending(NEEDED), PROBE, 30 * MSS + PROBE - 1)).toEqual(REFUSED)
    expect(order(sending(NEEDED), PROBE, 30 * MSS + PROBE)).toEqual([[30 * MSS, PROBE]])
  })

  it('the peer’s window has no room -> refused (RFC 9293, 3.8.6)', () => {
    expect(order(sending(NEEDED, { sndWnd: 30 * MSS + PROBE - 1 }))).toEqual(REFUSED)
  })

  it('in recovery -> refused', () => {
    const scene = sending(NEEDED)
    scene.h.command(TO_FAST_FLOW_FLAGS, { flow: scene.flow, first: FLAG_IN_RECOVERY, second: 0 })
    expect(order(scene)).toEqual(REFUSED)
  })

  it('an old generation -> no answer, nothing sent', () => {
    const { h, flow } = sending(NEEDED)
    h.command(TO_FAST_FLOW_MTU_PROBE, { flow, gen: 99, first: PROBE, second: WINDOW })
    h.pass()
    expect([h.toldProbes(), h.sent()]).toEqual([[], []])
  })
})
