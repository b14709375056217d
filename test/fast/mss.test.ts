/** TO_FAST_FLOW_MSS: the path carries segments of other lengths (RFC 1191). What to send again the slow path says. */
import { describe, expect, it } from 'vitest'
import { TO_FAST_FLOW_MSS, TO_FAST_FLOW_SEND } from '../../lib/memif/index.js'
import { ISS1 } from './frames.js'
import { FastHarness } from './harness.js'

const bytes = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7) & 255)

function sending(offload = false): { h: FastHarness; flow: number } {
  const h = new FastHarness({ offload })
  const flow = h.addFlow()
  h.write(flow, bytes)
  h.pass()
  h.sent()
  return { h, flow }
}

/** Start and length of what was sent since the last call, the segment size of super-segments too. */
function lengths(h: FastHarness): number[][] {
  return h.sent().map(({ seq, data, gso }) => (gso === 0 ? [seq - ISS1, data.length] : [seq - ISS1, data.length, gso]))
}

describe('TO_FAST_FLOW_MSS', () => {
  it('smaller -> nothing by itself; what is sent again in the same pass comes in smaller segments', () => {
    const { h, flow } = sending()
    h.receive({ ack: ISS1 + 1448 })
    h.command(TO_FAST_FLOW_MSS, { flow, first: 1200 })
    h.command(TO_FAST_FLOW_SEND, { flow, first: ISS1, second: 5000 })
    h.pass()
    expect(lengths(h)).toEqual([[1448, 1200], [2648, 1200], [3848, 1152]])
  })

  it('smaller, with offload -> super-segments to be cut smaller', () => {
    const { h, flow } = sending(true)
    h.command(TO_FAST_FLOW_MSS, { flow, first: 1200 })
    h.command(TO_FAST_FLOW_SEND, { flow, first: ISS1, second: 5000 })
    h.pass()
    expect(lengths(h)).toEqual([[0, 5000, 1200]])
  })

  it('smaller or larger, nothing to send again -> what is written next has that length', () => {
    for (const [mss, expected] of [[1200, [[5000, 1200], [6200, 800]]], [8000, [[5000, 2000]]]] as const) {
      const { h, flow } = sending()
      h.receive({ ack: ISS1 + 5000 })
      h.command(TO_FAST_FLOW_MSS, { flow, first: mss })
      h.pass()
      expect(lengths(h)).toEqual([])
      h.write(flow, bytes.subarray(0, 2000))
      h.pass()
      expect(lengths(h)).toEqual(expected)
    }
  })

  it('an old generation -> ignored', () => {
    const { h, flow } = sending()
    h.command(TO_FAST_FLOW_MSS, { flow, gen: 99, first: 100 })
    h.command(TO_FAST_FLOW_SEND, { flow, first: ISS1, second: 5000 })
    h.pass()
    expect(lengths(h)).toEqual([[0, 1448], [1448, 1448], [2896, 1448], [4344, 656]])
  })
})
