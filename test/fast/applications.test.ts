import { describe, expect, it } from 'vitest'
import {
  clearContext, CONTEXT_NONE, DOORBELL_SLOW, FLOW_HANDED, readAppRegionHeader, TCB_APP_U16, TCB_RX_BASE, TCB_SND_END, TCB_STATE_U8, TCB_TX_BASE,
  TO_FAST_APP_REMOVE, TO_FAST_CONTEXT_ADD, TO_FAST_CONTEXT_REMOVE, TO_FAST_FLOW_ADD, TO_FAST_FLOW_CONTEXT, TO_FAST_FLOW_LEAVE, TO_FAST_FLOW_REMOVE,
  TO_FAST_STOP, TO_SLOW_APP_REMOVED, TO_SLOW_CONTEXT_REMOVED, TO_SLOW_FLOW_LEFT, TO_SLOW_FLOW_REMOVED,
} from '../../lib/memif/index.js'
import { TCP_FIN } from '../../lib/wire/index.js'
import { IRS1, ISS1 } from './frames.js'
import { FastHarness } from './harness.js'

const filled = (length: number): Uint8Array => new Uint8Array(length).fill(1)

describe('bumps that cannot be', () => {
  it.each([
    ['a flow index out of range', { flow: 1000 }],
    ['a negative flow index', { flow: -1 }],
    ['more read than received', { read: IRS1 + 6 }],
    ['less read than before', { read: IRS1 - 1 }],
    ['more written than the buffer holds', { end: ISS1 + (1 << 14) + 1 }],
    ['less written than before', { end: ISS1 - 1 }],
  ])('%s -> counted, nothing changes', (_name, fields) => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ data: 'hello' })
    h.bump(flow, fields)
    h.pass()
    expect(h.count('appBadBumps')).toBe(1)
    expect(h.word(flow, TCB_SND_END)).toBe(ISS1)
    expect(h.sent()).toEqual([])
  })

  it.each([['another generation', { gen: 6 }], ['a flow that is free', { flow: 3 }]])('%s -> late, ignored', (_name, fields) => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ data: 'hello' })
    h.bump(flow, { read: IRS1 + 5, end: ISS1 + 5, ...fields })
    h.pass()
    expect(h.count('appBadBumps')).toBe(0)
    expect(h.word(flow, TCB_SND_END)).toBe(ISS1)
  })

  it('a flow that the slow path has announced and not yet handed over -> waits for it', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    const state = h.tcb(flow) * 4 + TCB_STATE_U8
    h.state.bytes[state] = FLOW_HANDED
    h.write(flow, filled(5))
    expect([h.pass(), h.word(flow, TCB_SND_END), h.worker.hasWork()]).toEqual([0, ISS1, true])
    h.command(TO_FAST_FLOW_ADD, { flow })
    h.pass()
    expect([h.word(flow, TCB_SND_END), h.worker.hasWork(), h.count('appBadBumps')]).toEqual([ISS1 + 5, false, 0])
    expect(h.sent().map(({ data }) => data.length)).toEqual([5])
  })

  it('a flow on its way to another application, or of another generation -> not waited for', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.state.bytes[h.tcb(flow) * 4 + TCB_STATE_U8] = FLOW_HANDED
    h.bump(flow, { gen: 6 })
    h.state.halves[h.tcb(flow) * 2 + TCB_APP_U16] = 2
    h.bump(flow, {})
    h.pass()
    expect(h.worker.hasWork()).toBe(false)
  })

  it('data behind a FIN -> refused', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.write(flow, filled(5), { fin: true })
    h.pass()
    h.write(flow, filled(5))
    h.pass()
    expect(h.count('appBadBumps')).toBe(1)
  })
})

describe('empty buffers', () => {
  it('everything read, far from the front -> the next data stands at the front; a gap or unread data -> it does not', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    for (let i = 0; i < 4; i++) h.receive({ seq: IRS1 + i * 1100, data: filled(1100) })
    h.bump(flow, { read: IRS1 + 4399 })
    h.pass()
    expect(h.word(flow, TCB_RX_BASE)).toBe(IRS1)
    h.receive({ seq: IRS1 + 4500, data: 'gap' })
    h.bump(flow, { read: IRS1 + 4400 })
    h.pass()
    expect(h.word(flow, TCB_RX_BASE)).toBe(IRS1)
    h.receive({ seq: IRS1 + 4400, data: filled(100) })
    h.bump(flow, { read: IRS1 + 4503 })
    h.pass()
    h.seen()
    h.receive({ seq: IRS1 + 4503, data: 'front' })
    expect(h.word(flow, TCB_RX_BASE)).toBe(IRS1 + 4503)
    expect(new TextDecoder().decode(h.received(flow, IRS1 + 4503, 5))).toBe('front')
    expect(h.count('appBadBumps')).toBe(0)
  })

  it('transmit stream brought to the front while something is in flight, or elsewhere -> refused; when quiet -> taken', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.write(flow, filled(10))
    h.bump(flow, { end: ISS1 + 10, txBase: ISS1 + 10 })
    h.pass()
    expect([h.count('appBadBumps'), h.word(flow, TCB_TX_BASE)]).toEqual([1, ISS1])
    h.receive({ ack: ISS1 + 10 })
    h.bump(flow, { end: ISS1 + 10, txBase: ISS1 + 9 })
    h.bump(flow, { end: ISS1 + 12, txBase: ISS1 + 10 })
    h.pass()
    expect([h.count('appBadBumps'), h.word(flow, TCB_TX_BASE)]).toEqual([2, ISS1 + 10])
    expect(h.sent().at(-1)).toMatchObject({ seq: ISS1 + 10, payloadLen: 2 })
  })
})

describe('events', () => {
  it('the ring is full -> later, with the newest state, nothing lost', () => {
    const h = new FastHarness()
    const flows = Array.from({ length: 12 }, () => h.addFlow())
    flows.forEach((flow) => h.receive({ peerPort: 40000 + flow, data: 'x' }))
    expect(h.worker.stalled).toBe(true)
    h.receive({ peerPort: 40000 + 11, seq: IRS1 + 1, data: 'y' })
    const first = h.seen()
    expect(first).toHaveLength(8)
    h.pass()
    const all = [...first, ...h.seen()]
    expect(new Set(all.map((event) => event.flow)).size).toBe(12)
    expect(all.find((event) => event.flow === 11)?.rcvEnd).toBe(IRS1 + 2)
    expect(h.worker.stalled).toBe(false)
  })

  it('the application sleeps -> woken once it has an event; awake -> not', () => {
    const h = new FastHarness()
    h.addFlow()
    h.receive({ data: 'a' })
    expect(h.appWakes).toBe(0)
    h.appWords[h.sleepingWord] = 1
    h.receive({ seq: IRS1 + 1, data: 'b' })
    expect(h.appWakes).toBe(1)
  })

  it('the slow path sleeps -> woken by a packet for it', () => {
    const h = new FastHarness()
    h.doorbells[DOORBELL_SLOW] = 1
    h.receive({ peerPort: 9 })
    expect(h.slowWakes).toBe(1)
  })
})

describe('removal', () => {
  it('a flow -> its last event first, then the answer; packets for it are unknown', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.port.inject(h.frame({ data: 'last' }), 2)
    h.pass()
    h.command(TO_FAST_FLOW_REMOVE, { flow })
    h.pass()
    expect(h.seen().at(-1)).toMatchObject({ flow, rcvEnd: IRS1 + 4 })
    expect(h.told().at(-1)).toMatchObject({ type: TO_SLOW_FLOW_REMOVED, flow })
    expect(h.state.bytes[h.tcb(flow) * 4 + TCB_STATE_U8]).toBe(FLOW_HANDED)
    h.receive({ seq: IRS1 + 4, data: 'x' })
    expect(h.told()).toMatchObject([{ flow: -1 }])
  })

  it('a flow while its ring is full -> answered once the last event found room', () => {
    const h = new FastHarness()
    const flows = Array.from({ length: 10 }, () => h.addFlow())
    flows.forEach((flow) => h.receive({ peerPort: 40000 + flow, data: 'x' }))
    h.told()
    h.command(TO_FAST_FLOW_REMOVE, { flow: 9 })
    h.pass()
    expect(h.told()).toEqual([])
    h.seen()
    h.pass()
    h.pass()
    expect(h.told()).toMatchObject([{ type: TO_SLOW_FLOW_REMOVED, flow: 9 }])
    expect(h.seen().filter((event) => event.flow === 9).length).toBeGreaterThan(0)
  })

  it('an earlier generation of a flow -> answered, the present one goes on', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.command(TO_FAST_FLOW_REMOVE, { flow, gen: 6 })
    h.receive({ data: 'still here' })
    expect(h.seen()).toMatchObject([{ flow, rcvEnd: IRS1 + 10 }])
  })

  it('an application -> its region is released, then the answer', () => {
    const h = new FastHarness()
    h.command(TO_FAST_APP_REMOVE, { app: 1 })
    h.pass()
    expect(h.released).toEqual([1])
    expect(h.told()).toMatchObject([{ type: TO_SLOW_APP_REMOVED }])
  })

  it('a context with bumps unread, the last a FIN, behind one of a flow that has ended -> all of it leaves; the context is told nothing more', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    const late = h.addFlow()
    h.command(TO_FAST_FLOW_REMOVE, { flow: late })
    h.pass()
    // One that has ended and is still announced stands in front.
    h.bump(late, {})
    h.write(flow, filled(5))
    h.bump(flow, { end: ISS1 + 9, fin: true })
    h.told()
    h.seen()
    h.command(TO_FAST_FLOW_CONTEXT, { flow, context: CONTEXT_NONE })
    h.command(TO_FAST_CONTEXT_REMOVE, { app: 1, context: 0 })
    h.pass()
    expect([h.word(flow, TCB_SND_END), h.count('appBadBumps'), h.releasedContexts]).toEqual([ISS1 + 9, 0, ['1.0']])
    expect(h.told().map(({ type }) => type)).toContain(TO_SLOW_CONTEXT_REMOVED)
    h.settle()
    const sent = h.sent()
    expect([sent.reduce((sum, { data }) => sum + data.length, 0), (sent.at(-1)?.flags ?? 0) & TCP_FIN]).toEqual([9, TCP_FIN])
    h.receive({ data: 'for nobody' })
    expect([h.seen(), h.appWakes]).toEqual([[], 0])
    h.bump(flow, { end: ISS1 + 20 })
    h.pass()
    expect([h.worker.hasWork(), h.word(flow, TCB_SND_END)]).toEqual([false, ISS1 + 9])
  })

  it('a flow gets another context and leaves for another worker -> what the one before has said counts first', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.write(flow, filled(5), { fin: true })
    h.command(TO_FAST_FLOW_CONTEXT, { flow, context: CONTEXT_NONE })
    h.command(TO_FAST_FLOW_LEAVE, { flow, app: 1 })
    h.pass()
    expect(h.told().map(({ type }) => type)).toContain(TO_SLOW_FLOW_LEFT)
    expect(h.word(flow, TCB_SND_END)).toBe(ISS1 + 5)
  })

  it('a context that is not known, one of an application that is gone -> answered', () => {
    const h = new FastHarness()
    h.command(TO_FAST_CONTEXT_REMOVE, { app: 1, context: 9 })
    h.command(TO_FAST_APP_REMOVE, { app: 1 })
    h.command(TO_FAST_CONTEXT_REMOVE, { app: 1, context: 0 })
    h.pass()
    expect(h.told().map(({ type }) => type)).toEqual([TO_SLOW_CONTEXT_REMOVED, TO_SLOW_APP_REMOVED, TO_SLOW_CONTEXT_REMOVED])
  })

  it('its id given to another context -> that one\'s rings are served from the beginning', () => {
    const h = new FastHarness()
    const before = h.addFlow()
    h.receive({ data: 'to the first' })
    h.write(before, filled(3))
    h.pass()
    h.command(TO_FAST_FLOW_REMOVE, { flow: before })
    h.command(TO_FAST_CONTEXT_REMOVE, { app: 1, context: 0 })
    h.pass()
    clearContext(h.appWords, readAppRegionHeader(h.appWords), 0)
    h.renewContext()
    h.command(TO_FAST_CONTEXT_ADD, { app: 1, context: 0 })
    const flow = h.addFlow()
    h.receive({ peerPort: 40000 + flow, data: 'to the second' })
    expect(h.seen()).toMatchObject([{ flow, rcvEnd: IRS1 + 13 }])
    h.sent()
    h.write(flow, filled(7))
    h.pass()
    expect([h.sent().map(({ data }) => data.length), h.count('appBadBumps')]).toEqual([[7], 0])
  })

  it('stop -> the worker says so', () => {
    const h = new FastHarness()
    h.command(TO_FAST_STOP)
    h.pass()
    expect(h.worker.stopped).toBe(true)
  })
})
