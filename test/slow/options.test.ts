/** Options of connections: how they are set, checked and inherited, and what the worker is told. */
import { describe, expect, it } from 'vitest'
import {
  EV_CONN_CLOSED, EV_CONN_OPEN, EV_CONN_OPTION, EV_LISTEN_ACCEPT, EV_LISTEN_OPEN, FLAG_NAGLE, FLAGS_TOS_SHIFT, KEEP_MS_MAX,
  OPTION_CONGESTION, OPTION_KEEP_ALIVE, OPTION_NO_DELAY, OPTION_RX_LIMIT, OPTION_TOS, OPTION_TX_LIMIT, OPTION_USER_TIMEOUT,
  REQ_CONN_MOVE, REQ_CONN_OPEN, REQ_CONN_OPTION, REQ_LISTEN_ACCEPT, REQ_LISTEN_OPEN, TCB_FLAGS, TO_FAST_FLOW_FLAGS,
} from '../../lib/memif/index.js'
import { DEFAULT_OPTIONS, withOption } from '../../service/slow/connoptions.js'
import { LISTEN_PORT, PEER_IP, PEER_PORT } from './harness.js'
import { accepted, CONNECTION, LISTENER, type Open, opened, PEER_ISS, REMOTE_PORT, scene, shakeHands, TCP_ACK, TCP_SYN } from './scenes.js'

const EINVAL = 22
const ENOENT = 2
const ENOTCONN = 107
const TOS_BITS = 0xff << FLAGS_TOS_SHIFT

/** Sets an option of an open connection; returns the status of the answer. */
function set(open: Open, option: number, value: number, value2 = 0, value3 = 0): number {
  open.context.request(REQ_CONN_OPTION, CONNECTION, { flow: open.flow, gen: open.gen, option, value, value2, value3 })
  const [event] = open.context.read()
  expect(event).toMatchObject({ type: EV_CONN_OPTION, handle: CONNECTION, flow: open.flow, gen: open.gen })
  expect(event.values[0]).toBe(option)
  return event.status
}

describe('option: values', () => {
  it.each([
    [OPTION_NO_DELAY, [0], { noDelay: false }], [OPTION_NO_DELAY, [1], { noDelay: true }], [OPTION_NO_DELAY, [2], EINVAL],
    [OPTION_KEEP_ALIVE, [1000, 1000, 1], { keepIdleMs: 1000, keepIntervalMs: 1000, keepCount: 1 }],
    [OPTION_KEEP_ALIVE, [0, -5, 99], { keepIdleMs: 0, keepIntervalMs: 0, keepCount: 0 }],
    [OPTION_KEEP_ALIVE, [999, 1000, 1], EINVAL], [OPTION_KEEP_ALIVE, [1000, 0, 1], EINVAL], [OPTION_KEEP_ALIVE, [1000, 1000, 0], EINVAL],
    [OPTION_KEEP_ALIVE, [KEEP_MS_MAX + 1, 1000, 1], EINVAL], [OPTION_KEEP_ALIVE, [1000, 1000, 128], EINVAL], [OPTION_KEEP_ALIVE, [-1, 1000, 1], EINVAL],
    [OPTION_USER_TIMEOUT, [0x7fffffff], { userTimeoutMs: 0x7fffffff }], [OPTION_USER_TIMEOUT, [-1], EINVAL],
    [OPTION_TOS, [0xb9], { tos: 0xb8 }], [OPTION_TOS, [256], EINVAL],
    [OPTION_RX_LIMIT, [0], { rxLimitBytes: 0 }], [OPTION_RX_LIMIT, [4096], { rxLimitBytes: 4096 }], [OPTION_RX_LIMIT, [4095], EINVAL],
    [OPTION_TX_LIMIT, [2 ** 30], { txLimitBytes: 2 ** 30 }], [OPTION_TX_LIMIT, [2 ** 30 + 1], EINVAL],
    [OPTION_CONGESTION, [0], { congestion: 0 }], [OPTION_CONGESTION, [5], { congestion: 5 }], [OPTION_CONGESTION, [6], ENOENT], [OPTION_CONGESTION, [-1], ENOENT],
    [0, [1], EINVAL], [8, [1], EINVAL], [-1, [0], EINVAL],
  ])('option %i = %j -> %j', (option, values, result) => {
    const changed = withOption(DEFAULT_OPTIONS, option, values, 6)
    expect(changed).toEqual(typeof result === 'number' ? result : { ...DEFAULT_OPTIONS, ...result })
  })
})

describe('option: of an open connection', () => {
  it('noDelay off, tos -> the worker is told which bits to clear and set, ECN bits left alone', () => {
    const open = accepted()
    expect(set(open, OPTION_NO_DELAY, 0)).toBe(0)
    expect(set(open, OPTION_TOS, 0xb9)).toBe(0)
    const [, last] = open.host.work().filter(({ type }) => type === TO_FAST_FLOW_FLAGS)
    expect(last).toMatchObject({ flow: open.flow, gen: open.gen, first: FLAG_NAGLE | (0xb8 << FLAGS_TOS_SHIFT), second: FLAG_NAGLE | TOS_BITS })
  })

  it('the same value again -> nothing to tell the worker', () => {
    const open = accepted()
    expect(set(open, OPTION_NO_DELAY, 1)).toBe(0)
    expect(open.host.work()).toEqual([])
  })

  it('ring to the worker full -> orders become one, none is lost', () => {
    const open = accepted({ toFastEntries: 2 })
    const { context, host, flow, gen } = open
    for (let i = 0; i < 3; i++) {
      set(open, OPTION_NO_DELAY, i & 1)
      set(open, OPTION_TOS, 4 << i)
    }
    context.read()
    const seen: number[] = []
    for (let i = 0; i < 4; i++) seen.push(...host.work().filter((command) => command.flow === flow && command.gen === gen).map(({ first }) => first))
    expect(seen.at(-1)).toBe(FLAG_NAGLE | (16 << FLAGS_TOS_SHIFT))
    expect(seen.length).toBeLessThan(6)
  })

  it('a value that cannot be -> EINVAL, counted as senseless; another algorithm -> ENOENT', () => {
    const open = accepted()
    expect([set(open, OPTION_TOS, 999), set(open, OPTION_CONGESTION, 6)]).toEqual([EINVAL, ENOENT])
    expect(open.host.count('appBadRequests')).toBe(1)
    expect(open.host.work()).toEqual([])
  })

  it('of a connection that has ended, or of another application -> ENOTCONN', () => {
    const open = accepted()
    const other = open.host.addApp()
    const fields = { flow: open.flow, gen: open.gen, option: OPTION_TOS, value: 4 }
    other.context.request(REQ_CONN_OPTION, CONNECTION, fields)
    expect(other.context.read()).toMatchObject([{ type: EV_CONN_OPTION, status: ENOTCONN }])
    open.context.request(REQ_CONN_OPTION, CONNECTION, { ...fields, gen: open.gen + 1 })
    expect(open.context.read()).toMatchObject([{ type: EV_CONN_OPTION, status: ENOTCONN }])
    open.context.request(REQ_CONN_OPTION, CONNECTION, { ...fields, flow: 99 })
    expect(open.context.read()).toMatchObject([{ type: EV_CONN_OPTION, status: ENOTCONN }])
    expect(open.host.tcb(open.flow, TCB_FLAGS) & TOS_BITS).toBe(0)
  })

  it('asked from another context than the connection is at -> the answer goes to who asked', () => {
    const open = accepted()
    const second = open.app.addContext()
    open.context.request(REQ_CONN_MOVE, CONNECTION, { flow: open.flow, gen: open.gen, context: second.id })
    second.read()
    expect(set(open, OPTION_TOS, 8)).toBe(0)
    expect(second.read()).toEqual([])
  })
})

describe('option: staged for an open request', () => {
  const options = [[OPTION_NO_DELAY, 0], [OPTION_TOS, 0x20], [OPTION_RX_LIMIT, 8192]] as const

  it('then REQ_CONN_OPEN -> in the TCB from the start', () => {
    const begun = scene()
    const { host, context } = begun
    for (const [option, value] of options) context.request(REQ_CONN_OPTION, CONNECTION, { flow: -1, option, value })
    context.request(REQ_CONN_OPEN, CONNECTION, { remoteIp: PEER_IP, ports: REMOTE_PORT << 16 })
    const [syn] = host.sent()
    host.send({ seq: PEER_ISS, ack: syn.seq + 1, flags: TCP_SYN | TCP_ACK, remotePort: REMOTE_PORT, localPort: syn.sourcePort })
    const events = context.read()
    expect(events).toMatchObject([{ type: EV_CONN_OPEN, status: 0 }])
    expect(host.tcb(events[0].flow, TCB_FLAGS)).toBe(FLAG_NAGLE | (0x20 << FLAGS_TOS_SHIFT))
  })

  it('then REQ_LISTEN_OPEN -> accepted connections inherit, whether they waited or not', () => {
    const { host, context } = scene()
    for (const [option, value] of options) context.request(REQ_CONN_OPTION, LISTENER, { flow: -1, option, value })
    context.request(REQ_LISTEN_OPEN, LISTENER, { ports: LISTEN_PORT, backlog: 4 })
    shakeHands(host)
    context.request(REQ_LISTEN_ACCEPT, CONNECTION, { listener: LISTENER })
    context.request(REQ_LISTEN_ACCEPT, CONNECTION + 1, { listener: LISTENER })
    shakeHands(host, PEER_PORT + 1)
    const flows = context.read().filter(({ type }) => type === EV_LISTEN_ACCEPT).map(({ flow }) => flow)
    expect(flows.map((flow) => host.tcb(flow, TCB_FLAGS))).toEqual(Array(2).fill(FLAG_NAGLE | (0x20 << FLAGS_TOS_SHIFT)))
  })

  it('then the request of another handle -> nothing staged is left, defaults', () => {
    const { host, context } = scene()
    context.request(REQ_CONN_OPTION, CONNECTION, { flow: -1, option: OPTION_NO_DELAY, value: 0 })
    context.request(REQ_LISTEN_OPEN, LISTENER, { ports: LISTEN_PORT, backlog: 4 })
    context.request(REQ_CONN_OPEN, CONNECTION, { remoteIp: PEER_IP, ports: REMOTE_PORT << 16 })
    const [syn] = host.sent()
    host.send({ seq: PEER_ISS, ack: syn.seq + 1, flags: TCP_SYN | TCP_ACK, remotePort: REMOTE_PORT, localPort: syn.sourcePort })
    const open = context.read().find(({ type }) => type === EV_CONN_OPEN)
    expect(host.tcb(open?.flow ?? -1, TCB_FLAGS)).toBe(0)
  })

  it('one is refused -> the open request fails with its error, nothing is sent', () => {
    const { host, context } = scene()
    context.request(REQ_CONN_OPTION, CONNECTION, { flow: -1, option: OPTION_CONGESTION, value: 7 })
    context.request(REQ_CONN_OPTION, CONNECTION, { flow: -1, option: OPTION_TOS, value: 4 })
    context.request(REQ_CONN_OPEN, CONNECTION, { remoteIp: PEER_IP, ports: REMOTE_PORT << 16 })
    context.request(REQ_CONN_OPTION, LISTENER, { flow: -1, option: OPTION_TOS, value: -4 })
    context.request(REQ_LISTEN_OPEN, LISTENER, { ports: LISTEN_PORT, backlog: 4 })
    expect(context.read()).toMatchObject([{ type: EV_CONN_OPEN, status: ENOENT }, { type: EV_LISTEN_OPEN, status: EINVAL }])
    expect([host.sent(), host.count('listeners')]).toEqual([[], 0])
  })

  it('an option while the worker is letting go -> kept, nobody told, no timer', () => {
    const open = opened()
    open.context.request(REQ_CONN_OPTION, CONNECTION, { flow: open.flow, gen: open.gen, option: OPTION_TOS, value: 4 })
    open.host.send({ seq: PEER_ISS + 1, flags: 4, remotePort: REMOTE_PORT, localPort: open.localPort })
    open.host.worker.read()
    open.context.request(REQ_CONN_OPTION, CONNECTION, { flow: open.flow, gen: open.gen, option: OPTION_KEEP_ALIVE, value: 1000, value2: 1000, value3: 2 })
    expect(open.context.read().map(({ type }) => type)).not.toContain(EV_CONN_CLOSED)
    expect(open.host.worker.read()).toEqual([])
    expect(open.host.slow.nextDeadlineUs()).toBe(Infinity)
  })
})
