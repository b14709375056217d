import { describe, expect, it } from 'vitest'
import {
  EV_CONN_CLOSED, EV_CONN_TX_BUFFER, MOVE_DONE, MOVE_GRANTED, MOVE_NONE, MOVE_RX_BUFFER, MOVE_RX_LOG2, MOVE_RX_STATE, MOVE_SWITCHED,
  MOVE_TX_BUFFER, MOVE_TX_LOG2, MOVE_TX_STATE, MOVE_WORDS, REQ_CONN_CLOSE, REQ_LISTEN_OPEN, TCB_ACKED_BYTES, TCB_BUFFER, TCB_RCV_NXT, TCB_TX_BUFFER,
  TO_FAST_FLOW_RX_BUFFER, WHAT_ACTIVE, WHAT_RX_LIMITED, WHAT_RX_MOVED, WHAT_RX_USED, WHAT_TX_LIMITED, WHAT_TX_MOVED,
} from '../../lib/memif/index.js'
import { IDLE_US } from '../../service/slow/autotune.js'
import { DEFAULT_TCP, type TcpConfig } from '../../service/slow/config.js'
import { windowShift } from '../../service/slow/buffersize.js'
import { RX_BUF, TX_BUF } from './harness.js'
import { accepted, CONNECTION, PEER_OPTIONS, type Open } from './scenes.js'

const CLOSE = { flow: 0, gen: 0 }

/** A region that holds 64 connections, so that the sixteenth part of it is four times a connection's buffers. */
function open(tcp: Partial<TcpConfig> = {}): Open {
  const config = { tcp: { ...DEFAULT_TCP, rxBufLen: RX_BUF, txBufLen: TX_BUF, rxBufMax: 1 << 15, txBufMax: 1 << 15, ...tcp }, appRegionBytes: 1 << 24 }
  return accepted({ config, discards: true }, PEER_OPTIONS, 64)
}

function move({ host, flow }: Open, word: number): number {
  return host.state.words[host.state.places.movesWord + flow * MOVE_WORDS + word]
}

function setMove({ host, flow }: Open, word: number, value: number): void {
  host.state.words[host.state.places.movesWord + flow * MOVE_WORDS + word] = value
}

function report(at: Open, what: number): number[] {
  at.host.report(at.flow, at.gen, what)
  return at.host.work().map(({ type }) => type)
}

/** What a worker does once it has changed. */
function moved(at: Open, state: number, what: number): void {
  setMove(at, state, MOVE_DONE)
  const [tcb, place] = state === MOVE_RX_STATE ? [TCB_BUFFER, MOVE_RX_BUFFER] : [TCB_TX_BUFFER, MOVE_TX_BUFFER]
  at.host.setTcb(at.flow, tcb, move(at, place))
  report(at, what)
}

const used = ({ host }: Open): number => host.count('bufferBytes')

describe('receive buffer too small', () => {
  it('-> twice as much is granted and ordered; when it is in use the old one is free', () => {
    const at = open()
    expect(report(at, WHAT_RX_LIMITED)).toEqual([TO_FAST_FLOW_RX_BUFFER])
    expect([move(at, MOVE_RX_STATE), move(at, MOVE_RX_LOG2)]).toEqual([MOVE_GRANTED, 13])
    expect(used(at)).toBe(RX_BUF + TX_BUF + 2 * RX_BUF)
    expect(report(at, WHAT_RX_LIMITED)).toEqual([])
    moved(at, MOVE_RX_STATE, WHAT_RX_MOVED)
    expect([used(at), move(at, MOVE_RX_STATE), at.host.count('bufferGrowths')]).toEqual([2 * RX_BUF + TX_BUF, MOVE_NONE, 1])
  })

  it('again and again -> no further than --tcp-rxbuf-max', () => {
    const at = open()
    for (let i = 0; i < 6; i++) {
      if (report(at, WHAT_RX_LIMITED).length > 0) moved(at, MOVE_RX_STATE, WHAT_RX_MOVED)
    }
    expect(used(at)).toBe((1 << 15) + TX_BUF)
  })

  it('the peer scales no windows -> no further than a window can say (RFC 7323, 2.2)', () => {
    const tcp = { ...DEFAULT_TCP, rxBufLen: 1 << 16, txBufLen: TX_BUF }
    const at = accepted({ config: { tcp, appRegionBytes: 1 << 25 } }, {}, 64)
    expect(report(at, WHAT_RX_LIMITED)).toEqual([])
  })

  it('reported as moved while the worker has not finished -> the old one is kept', () => {
    const at = open()
    report(at, WHAT_RX_LIMITED)
    setMove(at, MOVE_RX_STATE, MOVE_SWITCHED)
    report(at, WHAT_RX_MOVED)
    expect(used(at)).toBe(RX_BUF + TX_BUF + 2 * RX_BUF)
  })

  it('told twice, as a worker that took over does -> the second changes nothing', () => {
    const at = open()
    report(at, WHAT_RX_LIMITED)
    moved(at, MOVE_RX_STATE, WHAT_RX_MOVED)
    report(at, WHAT_RX_LIMITED)
    report(at, WHAT_RX_MOVED)
    expect([used(at), move(at, MOVE_RX_STATE)]).toEqual([2 * RX_BUF + TX_BUF + 4 * RX_BUF, MOVE_GRANTED])
  })

  it('the region is full -> it stays as it is', () => {
    const config = { tcp: { ...DEFAULT_TCP, rxBufLen: RX_BUF, txBufLen: TX_BUF } }
    const at = accepted({ config }, PEER_OPTIONS, 1)
    expect(report(at, WHAT_RX_LIMITED)).toEqual([])
    expect(used(at)).toBe(RX_BUF + TX_BUF)
  })
})

describe('transmit buffer too small', () => {
  it('-> the application is granted twice as much; when it is in use the old one is free', () => {
    const at = open()
    expect(report(at, WHAT_TX_LIMITED)).toEqual([])
    const place = move(at, MOVE_TX_BUFFER)
    expect(at.context.read()).toMatchObject([{ type: EV_CONN_TX_BUFFER, handle: CONNECTION, flow: at.flow, txBuffer: place, sizes: 14 << 8 }])
    expect([move(at, MOVE_TX_STATE), move(at, MOVE_TX_LOG2), used(at)]).toEqual([MOVE_GRANTED, 14, RX_BUF + 3 * TX_BUF])
    moved(at, MOVE_TX_STATE, WHAT_TX_MOVED)
    expect([used(at), move(at, MOVE_TX_STATE)]).toEqual([RX_BUF + 2 * TX_BUF, MOVE_NONE])
  })

  it('closed by the application with both granted -> everything is free in the end, pages later', () => {
    const at = open()
    report(at, WHAT_TX_LIMITED | WHAT_RX_LIMITED)
    at.context.read()
    at.context.request(REQ_CONN_CLOSE, CONNECTION, { ...CLOSE, flow: at.flow, gen: at.gen, flags: 1 })
    at.host.work()
    expect(at.context.read()).toMatchObject([{ type: EV_CONN_CLOSED }])
    expect(used(at)).toBe(0)
    at.host.advance(6_000_000)
    expect(at.host.discarded.map(([, len]) => len).sort((a, b) => a - b)).toEqual([RX_BUF, TX_BUF, 2 * RX_BUF, 2 * TX_BUF])
  })

  it('closed by the application -> nothing is granted any more', () => {
    const at = open()
    at.context.request(REQ_CONN_CLOSE, CONNECTION, { flow: at.flow, gen: at.gen })
    at.host.work()
    report(at, WHAT_TX_LIMITED | WHAT_RX_LIMITED)
    expect(used(at)).toBe(RX_BUF + TX_BUF)
  })
})

describe('idle', () => {
  /** Much was acknowledged; then nothing is in flight any more. */
  function quiet(at: Open): void {
    at.host.setTcb(at.flow, TCB_ACKED_BYTES, 100_000)
    report(at, WHAT_ACTIVE)
    at.host.advance(1_100_000)
    at.host.work()
  }

  it('the receive buffer was used, then nothing came for a while -> another of the same size, without pages', () => {
    const at = open()
    report(at, WHAT_RX_USED)
    at.host.advance(IDLE_US - 1)
    expect(at.host.work()).toEqual([])
    at.host.advance(1)
    expect(at.host.work().map(({ type }) => type)).toEqual([TO_FAST_FLOW_RX_BUFFER])
    expect([move(at, MOVE_RX_LOG2), at.host.discarded]).toEqual([12, [[move(at, MOVE_RX_BUFFER) * 64, RX_BUF]]])
    const old = at.host.tcb(at.flow, TCB_BUFFER) * 64
    moved(at, MOVE_RX_STATE, WHAT_RX_MOVED)
    expect([at.host.discarded.at(-1), used(at), at.host.count('bufferTrims')]).toEqual([[old, RX_BUF], RX_BUF + TX_BUF, 1])
    expect(at.host.slow.nextDeadlineUs()).toBe(Infinity)
  })

  it('something comes meanwhile -> looked at again later', () => {
    const at = open()
    report(at, WHAT_RX_USED)
    at.host.advance(IDLE_US - 1)
    at.host.setTcb(at.flow, TCB_RCV_NXT, at.host.tcb(at.flow, TCB_RCV_NXT) + 1)
    at.host.advance(1)
    expect(at.host.work()).toEqual([])
    at.host.advance(IDLE_US)
    expect(at.host.work().map(({ type }) => type)).toEqual([TO_FAST_FLOW_RX_BUFFER])
  })

  it('much was sent, then nothing for a while -> a transmit buffer of the first size, without pages; once', () => {
    const at = open()
    report(at, WHAT_TX_LIMITED)
    moved(at, MOVE_TX_STATE, WHAT_TX_MOVED)
    at.context.read()
    quiet(at)
    at.host.advance(IDLE_US)
    expect(at.context.read()).toMatchObject([{ type: EV_CONN_TX_BUFFER, sizes: 13 << 8 }])
    moved(at, MOVE_TX_STATE, WHAT_TX_MOVED)
    expect(used(at)).toBe(RX_BUF + TX_BUF)
    at.host.advance(60_000_000)
    expect([at.context.read(), at.host.count('bufferTrims')]).toEqual([[], 1])
  })

  it('the application is behind with its events -> asked as soon as it has caught up', () => {
    const at = open()
    report(at, WHAT_TX_LIMITED)
    moved(at, MOVE_TX_STATE, WHAT_TX_MOVED)
    at.context.read()
    quiet(at)
    for (let i = 0; i < 20; i++) at.context.request(REQ_LISTEN_OPEN, 100, { ports: 65_536 })
    at.host.advance(IDLE_US)
    expect(at.host.count('bufferTrims')).toBe(0)
    while (at.context.read().length > 0) at.host.poll()
    at.host.advance(IDLE_US)
    expect(at.context.read()).toMatchObject([{ type: EV_CONN_TX_BUFFER, sizes: 13 << 8 }])
    moved(at, MOVE_TX_STATE, WHAT_TX_MOVED)
    expect([used(at), at.host.slow.nextDeadlineUs()]).toEqual([RX_BUF + TX_BUF, Infinity])
  })

  it('little was sent and received -> nothing is done, no timer runs', () => {
    const at = open()
    report(at, WHAT_ACTIVE)
    at.host.advance(1_100_000)
    expect(at.host.slow.nextDeadlineUs()).toBe(Infinity)
  })
})

describe('window shift', () => {
  it.each([
    [1 << 17, 1 << 24, 9], [1 << 16, 1 << 16, 1], [1 << 12, 1 << 12, 0], [1 << 12, 1 << 24, 8], [64, 1 << 24, 2], [1 << 20, 1 << 30, 12],
  ])('buffers of %i to %i bytes -> %i (RFC 7323, 2.3)', (rxBufLen, rxBufMax, shift) => {
    expect(windowShift({ ...DEFAULT_TCP, rxBufLen, rxBufMax })).toBe(shift)
  })
})
