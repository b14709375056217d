/** A flow as its algorithm sees it: filled from TCB, connection and control loop. */
import { FLAG_CWND_LIMITED, TCB_ACKED_BYTES, TCB_ECN_BYTES, TCB_RATE_KBPS } from '../../../lib/memif/index.js'
import type { Connection } from '../connection.js'
import { ackedSince, inFlight, minRttUs, mssOf, srttUs } from '../flowstate.js'
import type { Stack } from '../stack.js'
import { type CongestionState, FlowView } from './state.js'

const view = new FlowView()

/** What is known of the flow now. One object serves all calls. */
export function look(stack: Stack, connection: Connection, state: CongestionState): FlowView {
  view.nowUs = stack.nowUs
  view.mss = mssOf(stack, connection)
  view.rttUs = srttUs(stack, connection)
  view.minRttUs = minRttUs(stack, connection)
  view.inFlightBytes = inFlight(stack, connection)
  view.intervalUs = Math.max(stack.nowUs - state.lookedUs, 0)
  view.isLimited = stack.flows.hasFlag(connection, FLAG_CWND_LIMITED)
  count(stack, connection, state)
  view.cwndBytes = connection.cwnd
  view.ssthreshBytes = connection.ssthresh
  view.rateKbps = stack.flows.word(connection, TCB_RATE_KBPS)
  return view
}

function count(stack: Stack, connection: Connection, state: CongestionState): void {
  view.ackedBytes = ackedSince(stack, connection, state.ackedWord)
  view.ecnBytes = (stack.flows.word(connection, TCB_ECN_BYTES) - state.ecnWord) >>> 0
  view.totalAckedBytes = state.totalAckedBytes + view.ackedBytes
  view.totalEcnBytes = state.totalEcnBytes + view.ecnBytes
  view.losses = state.losses
  view.timeouts = state.timeouts
  view.retransmits = connection.retransmits - state.retransmits
}

/** A new interval begins: what was counted belongs to the one before. */
export function startInterval(stack: Stack, connection: Connection, state: CongestionState): void {
  count(stack, connection, state)
  state.totalAckedBytes = view.totalAckedBytes
  state.totalEcnBytes = view.totalEcnBytes
  state.ackedWord = stack.flows.word(connection, TCB_ACKED_BYTES)
  state.ecnWord = stack.flows.word(connection, TCB_ECN_BYTES)
  state.losses = 0
  state.timeouts = 0
  state.retransmits = connection.retransmits
  state.lookedUs = stack.nowUs
  state.isFresh = false
  state.waits = 0
}
