/** Trace points of the slow path (`tas trace`). Each costs one test while nothing is traced. */
import {
  TCB_RATE_KBPS, TCB_SND_UNA, TCB_SRTT_US8, TCP_STATES, TRACE_FLOW, TRACE_FLOW_STATE, TRACE_LOSS, TRACE_MESSAGE, TRACE_RATE, TRACE_TIMER,
  TRACE_TIMERS, TRACE_TX, type StateView, type TraceTimer, type TraceWriter,
} from '../../lib/memif/index.js'
import type { Port } from '../../native/index.js'
import type { Connection, TcpState } from './connection.js'
import { rawWord } from './rawword.js'
import type { Stack } from './stack.js'

/** Something about a connection, with up to four values whose meaning the kind gives. */
export function traceConnection(trace: TraceWriter, kind: number, what: number, connection: Connection, a = 0, b = 0, c = 0, d = 0): void {
  if (!trace.wants(kind)) return
  const { flow, gen, remoteIp, remotePort, localIp, localPort } = connection
  trace.stamp()
  trace.connection(kind, what, flow, gen, rawWord(remoteIp), rawWord((remotePort << 16) | localPort), rawWord(localIp), a, b, c, d)
}

/** The connection goes on to state `to`. */
export function traceState(trace: TraceWriter, connection: Connection, to: TcpState): void {
  if (!trace.wants(TRACE_FLOW)) return
  traceConnection(trace, TRACE_FLOW, TRACE_FLOW_STATE, connection, TCP_STATES.indexOf(connection.state), TCP_STATES.indexOf(to))
}

/** Something is lost, or was not (TRACE_LOSS_*). */
export function traceLoss({ trace, flows }: Stack, connection: Connection, what: number): void {
  if (trace.wants(TRACE_LOSS)) traceConnection(trace, TRACE_LOSS, what, connection, flows.word(connection, TCB_SND_UNA), connection.backoff)
}

/** Window and rate of the connection as they are now. */
export function traceRate({ trace, flows }: Stack, connection: Connection): void {
  if (!trace.wants(TRACE_RATE)) return
  const { cwnd, ssthresh } = connection
  const rttUs = flows.word(connection, TCB_SRTT_US8) >>> 3
  traceConnection(trace, TRACE_RATE, 0, connection, cwnd, ssthresh, flows.word(connection, TCB_RATE_KBPS), rttUs)
}

/** A timer of the connection has expired. */
export function traceTimer(trace: TraceWriter, connection: Connection, timer: TraceTimer): void {
  if (trace.wants(TRACE_TIMER)) traceConnection(trace, TRACE_TIMER, TRACE_TIMERS.indexOf(timer), connection)
}

/** A message from or to worker `worker` about `flow`, -1 for none; `a` and `b` are words of it. */
export function traceMessage(
  trace: TraceWriter, state: StateView, worker: number, type: number, flow: number, gen: number, a: number, b: number,
): void {
  if (!trace.wants(TRACE_MESSAGE)) return
  trace.stamp()
  trace.flow(TRACE_MESSAGE, type, state, flow, gen, worker, a, b, 0)
}

/** The slow path's port, whose frames are traced as they are sent. */
export function tracedPort(port: Pick<Port, 'sendFrame' | 'mtu'>, trace: TraceWriter): Pick<Port, 'sendFrame' | 'mtu'> {
  return {
    get mtu() {
      return port.mtu
    },
    sendFrame(frame, len) {
      const isTraced = trace.wants(TRACE_TX)
      // Of the time before: the answer may be there before the call returns.
      if (isTraced) trace.stamp()
      const isSent = port.sendFrame(frame, len)
      if (isTraced && isSent) trace.frame(TRACE_TX, 0, frame, 0, len, len)
      return isSent
    },
  }
}
