/** How long acknowledgments wait for an application that takes its time (service/fast/delayedack.ts). */
import { describe, expect, it } from 'vitest'
import { ANSWER_MAX_US, ANSWER_US, DELAYED_ACK_US } from '../../service/fast/delayedack.js'
import { IRS1, ISS1, PEER_PORT } from './frames.js'
import { FastHarness } from './harness.js'

const BYTE = Uint8Array.of(65)
/** How often the worker has a pass. */
const STEP_US = 100

/** A peer that asks with a byte and an application that answers with one, on a connection of its own. */
class Exchange {
  readonly h = new FastHarness()
  private readonly flow: number
  private requests = 0

  constructor() {
    this.flow = this.h.addFlow()
  }

  /** One request, answered after `answerUs`; the next may come `pauseUs` later. Returns how many acknowledgments had to go alone. */
  exchange(answerUs: number, pauseUs = 0): number {
    const { h } = this
    h.receive({ seq: IRS1 + this.requests, ack: ISS1 + this.requests, data: BYTE })
    this.requests++
    this.wait(answerUs)
    h.write(this.flow, BYTE, { read: IRS1 + this.requests })
    this.wait(pauseUs)
    return this.alone()
  }

  /** A request without an answer: how long its acknowledgment waits, to a step. */
  waitedUs(): number {
    const { h } = this
    h.receive({ seq: IRS1 + this.requests, ack: ISS1 + this.requests, data: BYTE })
    this.requests++
    const startUs = h.nowUs
    while (this.alone() === 0) h.pass(STEP_US)
    return h.nowUs - startUs
  }

  private wait(us: number): void {
    this.h.pass()
    for (let waited = 0; waited < us; waited += STEP_US) this.h.pass(STEP_US)
  }

  private alone(): number {
    return this.h.sent().filter(({ payloadLen }) => payloadLen === 0).length
  }
}

function repeat(times: number, run: () => number): number {
  let last = 0
  for (let i = 0; i < times; i++) last = run()
  return last
}

describe('an application that takes its time', () => {
  it('answers after 5 ms, again and again -> in the end they carry the acknowledgments, which wait at least twice as long, but not four times', () => {
    const one = new Exchange()
    expect(one.exchange(5_000)).toBe(1)
    expect(repeat(40, () => one.exchange(5_000))).toBe(0)
    const waitedUs = one.waitedUs()
    expect(waitedUs).toBeGreaterThan(9_000)
    expect(waitedUs).toBeLessThan(20_000)
  })

  it('answers at once again -> they soon wait no longer than they did', () => {
    const one = new Exchange()
    repeat(40, () => one.exchange(15_000))
    repeat(2_000, () => one.exchange(0, 300))
    one.h.pass(2 * ANSWER_MAX_US)
    expect(one.waitedUs()).toBeLessThan(ANSWER_US + 2 * STEP_US)
  })

  it('answers at once, with a pause behind each -> they wait no longer than they did', () => {
    const one = new Exchange()
    repeat(40, () => one.exchange(0, 10_000))
    expect(one.waitedUs()).toBeLessThan(ANSWER_US + 2 * STEP_US)
  })

  it('answers later than an acknowledgment may wait -> each goes alone, and soon', () => {
    const one = new Exchange()
    expect(repeat(20, () => one.exchange(ANSWER_MAX_US + 2_000))).toBe(1)
    expect(one.waitedUs()).toBeLessThan(DELAYED_ACK_US + 2 * STEP_US)
  })

  it('another wait is longer and began before -> none waits for it', () => {
    const h = new FastHarness()
    const acks = h.worker['fast'].delayedAcks
    const [slow, quick] = [h.addFlow(), h.addFlow()]
    for (const flow of [slow, quick]) acks.answers[flow] = 1
    acks.answerUs.fill(ANSWER_MAX_US)
    h.receive({ peerPort: PEER_PORT + slow, data: BYTE })
    acks.answerUs.fill(0)
    h.receive({ peerPort: PEER_PORT + quick, data: BYTE })
    expect(h.worker.dueWaitUs(h.nowUs | 0)).toBe(ANSWER_US)
    h.pass(ANSWER_US)
    expect(h.sent()).toMatchObject([{ targetPort: PEER_PORT + quick, payloadLen: 0 }])
    h.pass(2 * ANSWER_MAX_US - ANSWER_US)
    expect(h.sent()).toMatchObject([{ targetPort: PEER_PORT + slow, payloadLen: 0 }])
  })

  it('sends before it is asked -> that is no answer: the acknowledgment goes soon', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.write(flow, BYTE)
    h.pass()
    h.receive({ data: BYTE, ack: ISS1 + 1 })
    h.sent()
    h.pass(DELAYED_ACK_US)
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 1, payloadLen: 0 }])
  })
})
