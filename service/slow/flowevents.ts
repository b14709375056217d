/** What workers report about their flows. */
import {
  SF_ACK_BLOCKS, SF_ACK_DUPLICATES, SF_ACK_EDGES, SF_ACK_SEQ, SF_ACK_TSECR, SF_FLOW, SF_GEN, SF_LEN, SF_SEQ, WHAT_ACTIVE, WHAT_CWND_LIMITED,
  WHAT_ECE, WHAT_FIN_ACKED, WHAT_FIN_QUEUED, WHAT_FIN_RECEIVED, WHAT_RX_LIMITED, WHAT_RX_MOVED, WHAT_RX_USED, WHAT_TX_LIMITED, WHAT_TX_MOVED, WHAT_UNREAD,
} from '../../lib/memif/index.js'
import { onLimited, onMoved, onRxUsed, RX_BUFFER, TX_BUFFER } from './autotune.js'
import { onCongestionEcho, onWindowLimited } from './congestion/control.js'
import { onMtuProbe, onMuchToSend } from './pathmtu.js'
import { onAckReport } from './recovery/recovery.js'
import { onProgress, watch } from './retransmit.js'
import type { Stack } from './stack.js'
import { finAcked, finQueued, finReceived, onFlowRemoved, resetUnread } from './teardown.js'

/** Blocks that a message has room for (RFC 2018, 3). */
const SACK_BLOCKS_MAX = 4

/** TO_SLOW_FLOW: `what` is one or more WHAT_* bits. A message about an earlier use of the flow is ignored. */
export function onFlowEvent(stack: Stack, flow: number, gen: number, what: number): void {
  const connection = stack.flows.find(flow, gen)
  if (connection === null || connection.phase !== 'worker') return
  if ((what & WHAT_ACTIVE) !== 0) watch(stack, connection)
  if ((what & WHAT_ECE) !== 0) onCongestionEcho(stack, connection)
  if ((what & WHAT_CWND_LIMITED) !== 0) onWindowLimited(stack, connection)
  // What was exchanged first: the next exchange can begin only after it.
  if ((what & WHAT_RX_MOVED) !== 0) onMoved(stack, connection, RX_BUFFER)
  if ((what & WHAT_TX_MOVED) !== 0) onMoved(stack, connection, TX_BUFFER)
  if ((what & WHAT_RX_LIMITED) !== 0) onLimited(stack, connection, RX_BUFFER)
  if ((what & WHAT_TX_LIMITED) !== 0) onLimited(stack, connection, TX_BUFFER)
  if ((what & WHAT_RX_USED) !== 0) onRxUsed(stack, connection)
  if ((what & (WHAT_CWND_LIMITED | WHAT_TX_LIMITED)) !== 0) onMuchToSend(stack, connection)
  // Of FINs that crossed within one message ours counts as first: that ends in TIME-WAIT, the safe side.
  if ((what & WHAT_FIN_QUEUED) !== 0) finQueued(stack, connection)
  if ((what & WHAT_FIN_ACKED) !== 0) finAcked(stack, connection)
  if ((what & WHAT_FIN_RECEIVED) !== 0) finReceived(stack, connection)
  if ((what & WHAT_UNREAD) !== 0) resetUnread(stack, connection)
}

/** TO_SLOW_ACK: `entry` is the message in `words`. */
export function onAckMessage(stack: Stack, words: Int32Array, entry: number): void {
  const connection = stack.flows.find(words[entry + SF_FLOW], words[entry + SF_GEN])
  if (connection === null || connection.phase !== 'worker') return
  const count = Math.min(words[entry + SF_ACK_BLOCKS], SACK_BLOCKS_MAX)
  const isProgress = onAckReport(stack, connection, {
    ack: words[entry + SF_ACK_SEQ], duplicates: words[entry + SF_ACK_DUPLICATES], tsEcr: words[entry + SF_ACK_TSECR],
    edges: Array.from({ length: count * 2 }, (_, i) => words[entry + SF_ACK_EDGES + i]),
  })
  if (isProgress) onProgress(stack, connection)
}

/** TO_SLOW_MTU_PROBE: `entry` is the message in `words`. */
export function onProbeMessage(stack: Stack, words: Int32Array, entry: number): void {
  const connection = stack.flows.find(words[entry + SF_FLOW], words[entry + SF_GEN])
  if (connection?.phase === 'worker') onMtuProbe(stack, connection, words[entry + SF_SEQ], words[entry + SF_LEN])
}

/** TO_SLOW_FLOW_REMOVED. */
export function onRemoved(stack: Stack, flow: number, gen: number): void {
  const connection = stack.flows.find(flow, gen)
  if (connection !== null) onFlowRemoved(stack, connection)
}
