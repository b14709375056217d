/** Trace points of the slow path. */
import { describe, expect, it } from 'vitest'
import { TCB_SND_END, TCB_SND_MAX, TCB_SND_NXT, TCB_SND_UNA, TRACE_FLOW, TRACE_KINDS, WHAT_ACTIVE } from '../../lib/memif/index.js'
import { TestTrace } from '../tracing.js'
import { accepted, listening, PEER_ISS, PEER_OPTIONS, shakeHands, TCP_RST } from './scenes.js'

const ENDS = '10.0.0.1:80 - 10.0.0.2:5000'

describe('trace: slow path', () => {
  it('a handshake -> message, states, SYN-ACK, flow handed over, in order', () => {
    const trace = new TestTrace(0, () => 0)
    const { host } = listening({ trace: trace.writer })
    trace.records()
    const iss = shakeHands(host)
    host.work()
    const lines = trace.lines().map((line) => line.replace(/#\d+\.\d+ /, '#F ').replace(/:\d{4,5}(?=[ :])/, ':PORT').replace(/ win \d+/, ''))
    expect(lines).toEqual([
      'message from worker 0: PACKET of 54 bytes',
      'flow 10.0.0.1:80 - 10.0.0.2:PORT: CLOSED -> SYN-RECEIVED',
      `tx 10.0.0.1:80 > 10.0.0.2:PORT SYN ACK seq ${iss >>> 0} ack ${PEER_ISS + 1} len 0 mss 1460`,
      'message from worker 0: PACKET of 54 bytes',
      'flow #F 10.0.0.1:80 - 10.0.0.2:PORT: SYN-RECEIVED -> ESTABLISHED',
      'message #F 10.0.0.1:80 - 10.0.0.2:PORT: to worker 0: FLOW_ADD',
      'flow #F 10.0.0.1:80 - 10.0.0.2:PORT: handed to worker 0',
    ])
  })

  it('something in flight and no answer -> timer, time-out, what is sent again, the window', () => {
    const trace = new TestTrace(0, () => 0)
    const open = accepted({ trace: trace.writer }, PEER_OPTIONS)
    const { host, flow, gen } = open
    const una = host.tcb(flow, TCB_SND_UNA)
    for (const word of [TCB_SND_NXT, TCB_SND_MAX, TCB_SND_END]) host.setTcb(flow, word, una + 100)
    host.report(flow, gen, WHAT_ACTIVE)
    trace.records()
    host.advance(1_500_000)
    const name = `#${flow}.${gen} ${ENDS.replace(':5000', `:${open.remotePort}`)}: `
    const lines = trace.lines()
    expect(lines).toContain(`timer ${name}retransmission timer expires`)
    expect(lines).toContain(`loss ${name}retransmission timeout at ${una >>> 0}, 1 in a row`)
    expect(lines).toContain(`loss ${name}sent again: ${una >>> 0}, 100 bytes`)
    expect(lines.indexOf(`loss ${name}sent again: ${una >>> 0}, 100 bytes`)).toBeGreaterThan(lines.indexOf(`loss ${name}retransmission timeout at ${una >>> 0}, 1 in a row`))
  })

  it('reset -> CLOSED, and the worker lets go', () => {
    const trace = new TestTrace(0, () => 0, 1 << TRACE_FLOW)
    const open = accepted({ trace: trace.writer })
    trace.records()
    open.host.send({ seq: PEER_ISS + 1, flags: TCP_RST, remotePort: open.remotePort }, open.flow, open.gen)
    open.host.work()
    open.host.poll()
    expect(trace.lines().map((line) => line.replace(/^.*: /, ''))).toEqual(['ESTABLISHED -> CLOSED', 'the worker has let go'])
  })

  it('kinds that nobody wants -> nothing is written', () => {
    const trace = new TestTrace(0, () => 0, 0)
    const { host } = listening({ trace: trace.writer })
    shakeHands(host)
    trace.want(2 ** TRACE_KINDS.length - 1)
    expect(trace.records()).toEqual([])
  })
})
