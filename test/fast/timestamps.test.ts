import { describe, expect, it } from 'vitest'
import { TCB_RCV_NXT, TCB_TS_RECENT } from '../../lib/memif/index.js'
import { IRS1 } from './frames.js'
import { FastHarness } from './harness.js'

describe('timestamps', () => {
  const ts = (value: number): { value: number; echo: number } => ({ value, echo: 0 })

  it('in order -> TS.Recent follows and is echoed (RFC 7323, 4.3)', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ timestamps: true })
    h.receive({ data: 'a', timestamps: ts(200) })
    expect(h.word(flow, TCB_TS_RECENT)).toBe(200)
    h.worker.flushDelayedAcks()
    expect(h.sent()[0].options.timestamps).toEqual({ value: Math.floor(h.nowUs / 1000), echo: 200 })
  })

  it('older than TS.Recent -> dropped, acknowledged (RFC 7323, 5.3 R1)', () => {
    const h = new FastHarness()
    h.addFlow({ timestamps: true })
    h.receive({ data: 'a', timestamps: ts(99) })
    expect(h.count('dropPaws')).toBe(1)
    expect(h.sent()).toMatchObject([{ ack: IRS1 }])
  })

  it('two segments before an acknowledgment -> the first is echoed, so that the wait is measured too (RFC 7323, 4.3)', () => {
    const h = new FastHarness()
    h.addFlow({ timestamps: true })
    h.receive({ data: 'a', timestamps: ts(200) }, { seq: IRS1 + 1, data: 'b', timestamps: ts(201) })
    h.worker.flushDelayedAcks()
    expect(h.sent()[0].options.timestamps?.echo).toBe(200)
  })

  it('older than TS.Recent after 24 days of silence -> taken (RFC 7323, 5.5)', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ timestamps: true })
    h.receive({ data: 'a', timestamps: ts(200) })
    h.worker.flushDelayedAcks()
    h.pass(24.5 * 86_400_000_000)
    h.receive({ seq: IRS1 + 1, data: 'b', timestamps: ts(-5) })
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 2)
    expect(h.word(flow, TCB_TS_RECENT)).toBe(-5)
  })

  it('beyond a gap -> TS.Recent stays', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ timestamps: true })
    h.receive({ seq: IRS1 + 5, data: 'a', timestamps: ts(300) })
    expect(h.word(flow, TCB_TS_RECENT)).toBe(100)
  })
})
