import { describe, expect, it } from 'vitest'
import { EVENT_RX_CLOSED, TCB_OOO_END, TCB_OOO_START, TCB_RCV_NXT, TO_SLOW_FLOW, WHAT_FIN_RECEIVED } from '../../lib/memif/index.js'
import { TCP_ACK, TCP_FIN } from '../../lib/wire/index.js'
import { IRS1, ISS1 } from './frames.js'
import { FastHarness } from './harness.js'

const filled = (length: number, first = 0): Uint8Array => Uint8Array.from({ length }, (_, i) => (first + i) & 0xff)

describe('FIN', () => {
  it('in order with data -> counted, application and slow path are told; acknowledged before the worker blocks', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ data: 'bye', flags: TCP_ACK | TCP_FIN })
    expect(h.sent()).toEqual([])
    h.worker.flushDelayedAcks()
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 4 }])
    expect(h.seen()).toMatchObject([{ flow, gen: 7, flags: EVENT_RX_CLOSED, rcvEnd: IRS1 + 3, sndUna: ISS1 }])
    expect(h.told()).toMatchObject([{ type: TO_SLOW_FLOW, flow, what: WHAT_FIN_RECEIVED }])
  })

  it('the application closes as well -> our FIN carries the acknowledgment', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ flags: TCP_ACK | TCP_FIN })
    h.bump(flow, { fin: true })
    h.pass()
    h.worker.flushDelayedAcks()
    expect(h.sent()).toMatchObject([{ seq: ISS1, ack: IRS1 + 1, flags: TCP_ACK | TCP_FIN }])
  })

  it('behind ours -> acknowledged at once: nothing else will carry it', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.bump(flow, { fin: true })
    h.pass()
    h.sent()
    h.receive({ ack: ISS1 + 1, flags: TCP_ACK | TCP_FIN })
    expect(h.sent()).toMatchObject([{ seq: ISS1 + 1, ack: IRS1 + 1, flags: TCP_ACK }])
  })

  it('again -> acknowledged again, told once', () => {
    const h = new FastHarness()
    h.addFlow()
    h.receive({ flags: TCP_ACK | TCP_FIN })
    h.told()
    h.sent()
    h.receive({ flags: TCP_ACK | TCP_FIN })
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 1 }])
    expect(h.told()).toEqual([])
  })

  it('before missing data -> counts when that comes', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ seq: IRS1 + 4, data: 'last', flags: TCP_ACK | TCP_FIN })
    expect(h.told()).toEqual([])
    expect(h.sent()).toMatchObject([{ ack: IRS1 }])
    h.receive({ data: 'miss' })
    expect(h.told()).toMatchObject([{ what: WHAT_FIN_RECEIVED }])
    expect(h.seen().at(-1)).toMatchObject({ flags: EVENT_RX_CLOSED, rcvEnd: IRS1 + 8 })
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 9 }])
    expect(h.word(flow, TCB_OOO_START)).toBe(h.word(flow, TCB_OOO_END))
  })

  it('alone, before missing data that comes without a gap of its own -> counts', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ seq: IRS1 + 4, flags: TCP_ACK | TCP_FIN })
    h.receive({ data: 'miss' })
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 5)
    expect(h.told()).toMatchObject([{ what: WHAT_FIN_RECEIVED }])
  })

  it('said to stand where data goes on -> the data counts and nothing is closed', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ seq: IRS1 + 6, flags: TCP_ACK | TCP_FIN }, { seq: IRS1 + 4, data: 'abcd' })
    h.receive({ data: 'miss' })
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 8)
    expect(h.told()).toEqual([])
    expect(h.hasGap(flow)).toBe(false)
  })

  it('with data that is known but for the FIN -> no bytes, the FIN counts', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ data: 'bye' })
    h.seen()
    h.receive({ data: 'bye', flags: TCP_ACK | TCP_FIN })
    expect(h.seen()).toMatchObject([{ flow, flags: EVENT_RX_CLOSED, rcvEnd: IRS1 + 3 }])
    h.worker.flushDelayedAcks()
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 4 }])
  })

  it('at a closed window -> accepted, since it takes no buffer', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ rxLog2: 10 })
    h.receive({ data: filled(1024) }, { seq: IRS1 + 1024, flags: TCP_ACK | TCP_FIN })
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 1025)
    h.worker.flushDelayedAcks()
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 1025, window: 0 }])
  })
})
