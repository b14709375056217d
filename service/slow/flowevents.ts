/** What workers report about their flows. */
import {
  WHAT_ACTIVE, WHAT_CWND_LIMITED, WHAT_FIN_ACKED, WHAT_FIN_QUEUED, WHAT_FIN_RECEIVED, WHAT_LOSS,
} from '../../lib/memif/index.js'
import { watch } from './retransmit.js'
import type { Stack } from './stack.js'
import { finAcked, finQueued, finReceived, onFlowRemoved } from './teardown.js'
import { onLoss, onWindowLimited } from './window.js'

/** TO_SLOW_FLOW: `what` is one or more WHAT_* bits. A message about an earlier use of the flow is ignored. */
export function onFlowEvent(stack: Stack, flow: number, gen: number, what: number): void {
  const connection = stack.flows.find(flow, gen)
  if (connection === null || connection.phase !== 'worker') return
  if ((what & WHAT_ACTIVE) !== 0) watch(stack, connection)
  if ((what & WHAT_LOSS) !== 0) onLoss(stack, connection)
  if ((what & WHAT_CWND_LIMITED) !== 0) onWindowLimited(stack, connection)
  // Of FINs that crossed within one message ours counts as first: that ends in TIME-WAIT, the safe side.
  if ((what & WHAT_FIN_QUEUED) !== 0) finQueued(stack, connection)
  if ((what & WHAT_FIN_ACKED) !== 0) finAcked(stack, connection)
  if ((what & WHAT_FIN_RECEIVED) !== 0) finReceived(stack, connection)
}

/** TO_SLOW_FLOW_REMOVED. */
export function onRemoved(stack: Stack, flow: number, gen: number): void {
  const connection = stack.flows.find(flow, gen)
  if (connection !== null) onFlowRemoved(stack, connection)
}
