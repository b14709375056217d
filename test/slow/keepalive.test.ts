/** Keepalive, user timeout and linger: the three ways in which an application limits how long a silent peer is waited for. */
import { describe, expect, it } from 'vitest'
import {
  CLOSE_LINGER, EV_CONN_CLOSED, FLAG_FIN_ACKED, KEEP_COUNT, KEEP_IDLE_MS, KEEP_INTERVAL_MS, OPTION_KEEP_ALIVE, OPTION_USER_TIMEOUT,
  REQ_CONN_CLOSE, REQ_CONN_OPTION, TCB_FLAGS, TCB_HEARD_MS, TCB_SND_END, TCB_SND_MAX, TCB_SND_NXT, TCB_SND_UNA, TCB_SND_WND,
  TCB_SRTT_US8, TO_FAST_FLOW_PROBE, TO_FAST_FLOW_REMOVE, WHAT_ACTIVE, WHAT_FIN_ACKED, WHAT_FIN_QUEUED,
} from '../../lib/memif/index.js'
import { accepted, CONNECTION, type Open, PEER_OPTIONS, TCP_ACK, TCP_RST } from './scenes.js'

const ETIMEDOUT = 110
const SECOND_US = 1_000_000

function set(open: Open, option: number, value: number, value2 = 0, value3 = 0): Open {
  open.context.request(REQ_CONN_OPTION, CONNECTION, { flow: open.flow, gen: open.gen, option, value, value2, value3 })
  const [event] = open.context.read()
  if (event.status !== 0) throw new Error(`option refused: ${event.status}`)
  return open
}

const keepAlive = (open: Open, idleMs: number, intervalMs: number, count: number): Open => set(open, OPTION_KEEP_ALIVE, idleMs, intervalMs, count)

/** The worker has taken an acceptable segment. */
function hear({ host, flow }: Open): void {
  host.setTcb(flow, TCB_HEARD_MS, Math.floor(host.nowUs / 1000) | 0)
}

/** Times in milliseconds at which probes go out, from now on; `each` happens at every probe. */
function probesUntil(open: Open, untilMs: number, stepMs: number, each: () => void = () => undefined): number[] {
  const startUs = open.host.nowUs
  const times: number[] = []
  for (let ms = stepMs; ms <= untilMs; ms += stepMs) {
    open.host.advance(startUs + ms * 1000 - open.host.nowUs)
    for (const { type } of open.host.work()) if (type === TO_FAST_FLOW_PROBE) {
      times.push(ms)
      each()
    }
  }
  return times
}

/** Bytes that the worker has sent, or would if the window were open, and that nobody acknowledges. */
function outstanding(open: Open, sent: number, unsent = 0): Open {
  const { host, flow } = open
  const una = host.tcb(flow, TCB_SND_UNA)
  host.setTcb(flow, TCB_SND_WND, unsent > 0 ? 0 : 100_000)
  for (const word of [TCB_SND_NXT, TCB_SND_MAX]) host.setTcb(flow, word, una + sent)
  host.setTcb(flow, TCB_SND_END, una + sent + unsent)
  host.report(flow, open.gen, WHAT_ACTIVE)
  return open
}

/** When the connection ends, in milliseconds from now, or -1. */
function endsAfter(open: Open, untilMs: number, stepMs: number, each: () => void = () => undefined): number {
  for (let ms = stepMs; ms <= untilMs; ms += stepMs) {
    open.host.advance(stepMs * 1000)
    if (open.host.work().some(({ type }) => type === TO_FAST_FLOW_REMOVE)) return ms
    each()
  }
  return -1
}

describe('keepalive', () => {
  it('not asked for -> no timer, no probe (RFC 9293, 3.8.4, MUST-25)', () => {
    const open = accepted()
    expect(open.host.slow.nextDeadlineUs()).toBe(Infinity)
    expect(probesUntil(open, 3 * KEEP_IDLE_MS, KEEP_IDLE_MS)).toEqual([])
  })

  it('default times -> first probe after two hours, nine in all, then RST and ETIMEDOUT (RFC 9293, 3.8.4, MUST-28)', () => {
    const open = keepAlive(accepted(), KEEP_IDLE_MS, KEEP_INTERVAL_MS, KEEP_COUNT)
    open.host.advance((KEEP_IDLE_MS - 1000) * 1000)
    expect(open.host.work()).toEqual([])
    const probes = probesUntil(open, 1000 + 9 * KEEP_INTERVAL_MS, 1000)
    expect(probes).toEqual(Array.from({ length: 9 }, (_, i) => 1000 + i * KEEP_INTERVAL_MS))
    expect(open.context.read()).toMatchObject([{ type: EV_CONN_CLOSED, status: ETIMEDOUT }])
    expect(open.host.sent()).toMatchObject([{ flags: TCP_RST | TCP_ACK }])
    expect([open.host.count('keepaliveProbes'), open.host.count('connectionsTimedOut')]).toEqual([9, 1])
    expect(open.host.slow.nextDeadlineUs()).toBe(Infinity)
  })

  it('one timer, which segments do not touch: it looks when it fires how long ago the last was', () => {
    const open = keepAlive(accepted(), 10_000, 1000, 3)
    open.host.advance(9 * SECOND_US)
    hear(open)
    expect(probesUntil(open, 9000, 1000)).toEqual([])
    expect(probesUntil(open, 1900, 100)).toEqual([1000])
  })

  it('a probe is answered -> counting begins anew; no answer to single probes means nothing (RFC 9293, 3.8.4, MUST-29)', () => {
    const open = keepAlive(accepted(), 5000, 1000, 3)
    let probes = 0
    const times = probesUntil(open, 60_000, 1000, () => {
      if (++probes % 3 === 0) hear(open)
    })
    expect(times.slice(0, 6)).toEqual([5000, 6000, 7000, 12_000, 13_000, 14_000])
    expect(open.context.read()).toEqual([])
  })

  it('answered within an interval that is longer than the idle time -> alive', () => {
    const open = keepAlive(accepted(), 1000, 5000, 2)
    expect(probesUntil(open, 30_000, 1000, () => {
      open.host.advance(10_000)
      hear(open)
    }).length).toBeGreaterThan(4)
    expect(open.context.read()).toEqual([])
  })

  it('something outstanding -> no probe (RFC 9293, 3.8.4, MUST-26)', () => {
    const open = keepAlive(accepted(), 1000, 1000, 2)
    open.host.setTcb(open.flow, TCB_SND_END, open.host.tcb(open.flow, TCB_SND_END) + 10)
    expect(probesUntil(open, 5000, 500)).toEqual([])
    open.host.setTcb(open.flow, TCB_SND_END, open.host.tcb(open.flow, TCB_SND_UNA))
    expect(probesUntil(open, 1000, 500)).toHaveLength(1)
  })

  it('with a user timeout -> that decides and not the count (TCP_USER_TIMEOUT)', () => {
    const open = set(keepAlive(accepted(), 1000, 1000, 2), OPTION_USER_TIMEOUT, 5500)
    expect(probesUntil(open, 5500, 100)).toEqual([1000, 2000, 3000, 4000, 5000])
    expect(open.context.read()).toMatchObject([{ type: EV_CONN_CLOSED, status: ETIMEDOUT }])
  })

  it('switched off, or the connection reset -> no timer left', () => {
    const open = keepAlive(accepted(), 1000, 1000, 2)
    keepAlive(open, 0, 0, 0)
    expect(open.host.slow.nextDeadlineUs()).toBe(Infinity)
    keepAlive(open, 1000, 1000, 2)
    open.context.request(REQ_CONN_CLOSE, CONNECTION, { flow: open.flow, gen: open.gen, flags: 1 })
    open.host.work()
    expect(open.host.slow.nextDeadlineUs()).toBe(Infinity)
  })

  it('times changed while probing -> begins anew with them', () => {
    const open = keepAlive(accepted(), 1000, 1000, 9)
    expect(probesUntil(open, 3000, 500)).toHaveLength(3)
    keepAlive(open, 4000, 1000, 9)
    expect(probesUntil(open, 2000, 500)).toEqual([1000, 2000])
  })
})

describe('user timeout', () => {
  it('data unacknowledged for that long -> RST, ETIMEDOUT at that moment (RFC 9293, 3.8.3; RFC 5482, 3.1)', () => {
    const open = outstanding(set(accepted(), OPTION_USER_TIMEOUT, 3000), 5000)
    expect(endsAfter(open, 10_000, 50)).toBe(3000)
    expect(open.context.read()).toMatchObject([{ type: EV_CONN_CLOSED, status: ETIMEDOUT }])
    expect(open.host.sent()).toMatchObject([{ flags: TCP_RST | TCP_ACK, seq: open.iss + 1 }, { flags: TCP_RST | TCP_ACK, seq: open.iss + 5001 }])
    expect(open.host.count('userTimeouts')).toBe(1)
    expect(open.host.slow.nextDeadlineUs()).toBe(Infinity)
  })

  it('longer than retransmission would take -> not ended before by it alone', () => {
    const open = outstanding(set(accepted(), OPTION_USER_TIMEOUT, 60_000), 5000)
    expect(endsAfter(open, 59_000, 500)).toBe(-1)
  })

  it('each acknowledgment -> the time begins anew', () => {
    const open = outstanding(set(accepted(), OPTION_USER_TIMEOUT, 2000), 5000)
    const { host, flow } = open
    const step = (): void => {
      host.setTcb(flow, TCB_SND_UNA, host.tcb(flow, TCB_SND_UNA) + 100)
      hear(open)
    }
    expect(endsAfter(open, 20_000, 1000, step)).toBe(-1)
    const ms = endsAfter(open, 10_000, 10)
    expect(ms).toBeGreaterThanOrEqual(2000)
    expect(ms).toBeLessThanOrEqual(2010)
  })

  it('shorter than the retransmission timeout, an acknowledgment between two looks -> counts from that', () => {
    const open = accepted()
    open.host.setTcb(open.flow, TCB_SRTT_US8, 1000 * 8 * 1000)
    outstanding(set(open, OPTION_USER_TIMEOUT, 1500), 5000)
    const { host, flow } = open
    expect(endsAfter(open, 100, 100)).toBe(-1)
    host.setTcb(flow, TCB_SND_UNA, host.tcb(flow, TCB_SND_UNA) + 100)
    hear(open)
    const ms = endsAfter(open, 10_000, 10)
    expect(ms).toBeGreaterThanOrEqual(1500)
    expect(ms).toBeLessThanOrEqual(1510)
  })

  it('all acknowledged, more written for a closed window before the next look -> counts from no earlier than that', () => {
    const open = outstanding(set(accepted(), OPTION_USER_TIMEOUT, 1000), 100)
    const { host, flow } = open
    host.advance(20_000)
    host.setTcb(flow, TCB_SND_UNA, host.tcb(flow, TCB_SND_MAX))
    hear(open)
    host.advance(100_000)
    host.setTcb(flow, TCB_SND_WND, 0)
    host.setTcb(flow, TCB_SND_END, host.tcb(flow, TCB_SND_UNA) + 100)
    const ms = endsAfter(open, 10_000, 10)
    expect(ms).toBeGreaterThanOrEqual(1000)
    expect(ms).toBeLessThanOrEqual(1200)
  })

  it('window closed, though the peer answers probes -> ends (TCP_USER_TIMEOUT)', () => {
    const open = outstanding(set(accepted({}, PEER_OPTIONS), OPTION_USER_TIMEOUT, 2000), 0, 100)
    expect(endsAfter(open, 10_000, 100, () => hear(open))).toBe(2000)
  })

  it('quiet between two writes -> the time of the second counts from it', () => {
    const open = outstanding(set(accepted(), OPTION_USER_TIMEOUT, 4000), 100)
    const { host, flow } = open
    host.setTcb(flow, TCB_SND_UNA, host.tcb(flow, TCB_SND_MAX))
    expect(endsAfter(open, 900, 300)).toBe(-1)
    outstanding(open, 100)
    expect(endsAfter(open, 10_000, 100)).toBe(4000)
  })

  it('all acknowledged -> no timer', () => {
    const open = outstanding(set(accepted(), OPTION_USER_TIMEOUT, 4000), 100)
    open.host.setTcb(open.flow, TCB_SND_UNA, open.host.tcb(open.flow, TCB_SND_MAX))
    open.host.advance(10 * SECOND_US)
    open.host.work()
    expect(open.host.slow.nextDeadlineUs()).toBe(Infinity)
    expect(open.context.read()).toEqual([])
  })

  it('set while data is outstanding -> counts from then; taken back -> no end', () => {
    const open = outstanding(accepted(), 5000)
    open.host.advance(10 * SECOND_US)
    set(open, OPTION_USER_TIMEOUT, 1000)
    expect(endsAfter(open, 900, 100)).toBe(-1)
    set(open, OPTION_USER_TIMEOUT, 0)
    expect(endsAfter(open, 5000, 100)).toBe(-1)
    set(open, OPTION_USER_TIMEOUT, 1000)
    expect(endsAfter(open, 5000, 100)).toBe(1000)
  })
})

describe('linger', () => {
  /** The application closes with `lingerMs`; its FIN is queued by the worker. */
  function closing(lingerMs: number): Open {
    const open = accepted()
    open.context.request(REQ_CONN_CLOSE, CONNECTION, { flow: open.flow, gen: open.gen, flags: CLOSE_LINGER, value: lingerMs })
    open.host.report(open.flow, open.gen, WHAT_FIN_QUEUED)
    open.host.work()
    return open
  }

  it('FIN not acknowledged in time -> RST, CONN_CLOSED with ETIMEDOUT', () => {
    const open = closing(1500)
    expect(endsAfter(open, 5000, 100)).toBe(1500)
    expect(open.context.read()).toMatchObject([{ type: EV_CONN_CLOSED, status: ETIMEDOUT }])
    expect(open.host.sent()).toMatchObject([{ flags: TCP_RST | TCP_ACK }])
    expect([open.host.count('lingerResets'), open.host.count('bufferBytes')]).toEqual([1, 0])
  })

  it('FIN acknowledged in time -> goes on as without', () => {
    const open = closing(1500)
    const { host, flow, gen } = open
    host.setTcb(flow, TCB_FLAGS, host.tcb(flow, TCB_FLAGS) | FLAG_FIN_ACKED)
    host.report(flow, gen, WHAT_FIN_ACKED)
    expect(endsAfter(open, 5000, 100)).toBe(-1)
  })

  it('closed again with another time -> the first counts', () => {
    const open = closing(1500)
    open.context.request(REQ_CONN_CLOSE, CONNECTION, { flow: open.flow, gen: open.gen, flags: CLOSE_LINGER, value: 9000 })
    expect(endsAfter(open, 5000, 100)).toBe(1500)
  })

  it('a senseless time -> at once, nothing thrown', () => {
    expect(closing(-7).host.count('lingerResets')).toBe(1)
  })

  it('the data is not even sent yet (window closed) -> the same', () => {
    const open = accepted()
    outstanding(open, 0, 500)
    open.context.request(REQ_CONN_CLOSE, CONNECTION, { flow: open.flow, gen: open.gen, flags: CLOSE_LINGER, value: 700 })
    expect(endsAfter(open, 5000, 100)).toBe(700)
  })
})
