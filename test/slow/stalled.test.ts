/** Peers that do not read (RFC 9293, 3.8.6.1; RFC 6429). */
import { describe, expect, it } from 'vitest'
import {
  EV_CONN_CLOSED, REQ_CONN_CLOSE, REQ_LISTEN_ACCEPT, TCB_ACKED_BYTES, TCB_HEARD_MS, TCB_SND_END, TCB_SND_UNA, TCB_SND_WND, TO_FAST_FLOW_REMOVE, WHAT_ACTIVE,
} from '../../lib/memif/index.js'
import { Host } from './harness.js'
import { accepted, CONNECTION, LISTENER, type Open, shakeHands, TCP_RST } from './scenes.js'

const SECOND_US = 1_000_000

/** 5000 bytes wait for a peer whose window is `window`. */
function holding(window: number, config: Partial<Host['config']['tcp']> = {}): Open {
  const open = accepted({ config: { tcp: { ...new Host().config.tcp, ...config } } })
  open.host.setTcb(open.flow, TCB_SND_END, open.host.tcb(open.flow, TCB_SND_UNA) + 5000)
  open.host.setTcb(open.flow, TCB_SND_WND, window)
  open.host.report(open.flow, open.gen, WHAT_ACTIVE)
  return open
}

/** Other connections take the application's buffers. */
function fill({ host, context }: Open): void {
  for (let port = 1; port <= 7; port++) {
    shakeHands(host, port)
    context.request(REQ_LISTEN_ACCEPT, 100 + port, { listener: LISTENER })
    context.read()
  }
  host.sent()
}

/** Lets time pass; the peer acknowledges `bytes` each second. */
function pass({ host, flow }: Open, seconds: number, bytes = 0): void {
  for (let i = 0; i < seconds; i++) {
    host.advance(SECOND_US)
    // The peer answers probes.
    host.setTcb(flow, TCB_HEARD_MS, Math.floor(host.nowUs / 1000))
    host.work()
    if (bytes === 0) continue
    for (const word of [TCB_SND_UNA, TCB_ACKED_BYTES]) host.setTcb(flow, word, host.tcb(flow, word) + bytes)
    host.setTcb(flow, TCB_SND_END, host.tcb(flow, TCB_SND_UNA) + 5000)
  }
}

describe('a peer that does not read', () => {
  it('window shut, memory plentiful -> probed for as long as it lasts', () => {
    const open = holding(0)
    pass(open, 600)
    expect([open.host.count('connectionsStalled'), open.context.read()]).toEqual([0, []])
  })

  it.each([0, 1])('window %i, buffers run short -> reset after a minute, ETIMEDOUT, buffers free', (window) => {
    const open = holding(window)
    fill(open)
    const before = open.host.count('bufferBytes')
    pass(open, 55, window)
    expect(open.host.count('connectionsStalled')).toBe(0)
    open.host.sent()
    pass(open, 70, window)
    expect(open.host.count('connectionsStalled')).toBe(1)
    expect(open.host.sent().filter(({ flags }) => (flags & TCP_RST) !== 0)).toHaveLength(1)
    expect(open.context.read().filter(({ type }) => type === EV_CONN_CLOSED)).toMatchObject([{ handle: CONNECTION, status: 110 }])
    open.host.poll()
    expect(open.host.count('bufferBytes')).toBeLessThan(before)
  })

  it('a small window that keeps moving, buffers short -> left alone', () => {
    const open = holding(100)
    fill(open)
    pass(open, 300, 100)
    expect(open.host.count('connectionsStalled')).toBe(0)
  })

  it('an open window and nothing acknowledged -> not stalled but lost: retransmission decides', () => {
    const open = holding(100_000)
    fill(open)
    pass(open, 65)
    expect(open.host.count('connectionsStalled')).toBe(0)
    expect(open.host.count('rtoTimeouts')).toBeGreaterThan(0)
  })

  it('the application has closed -> ended after a minute whatever the memory', () => {
    const open = holding(0)
    open.context.request(REQ_CONN_CLOSE, CONNECTION, { flow: open.flow, gen: open.gen })
    pass(open, 130)
    expect(open.host.count('connectionsStalled')).toBe(1)
  })

  it('--tcp-stall-limit=0 -> for ever', () => {
    const open = holding(0, { stallLimitUs: 0 })
    fill(open)
    pass(open, 300)
    expect(open.host.work().map(({ type }) => type)).not.toContain(TO_FAST_FLOW_REMOVE)
    expect(open.host.count('connectionsStalled')).toBe(0)
  })
})
