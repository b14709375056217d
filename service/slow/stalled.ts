/**
 * Peers that keep their window shut, or open it by a byte now and then, and so hold buffers for ever (sockstress, slow read).
 * RFC 9293, 3.8.6.1 lets a connection stand with a closed window as long as the peer answers probes; RFC 6429 leaves it to
 * the system to end it when it needs the memory. That is done here, after `stallLimitUs`
 * with hardly anything acknowledged, if buffers or TCBs run short, or if the application has closed and nobody waits for the data.
 */
import { TCB_ACKED_BYTES } from '../../lib/memif/index.js'
import { seqDiff } from '../../lib/wire/index.js'
import type { Connection } from './connection.js'
import { ETIMEDOUT } from './errno.js'
import { isHeldUp } from './flowstate.js'
import type { Stack } from './stack.js'
import { abortConnection } from './teardown.js'

/** Who reads less than this in `stallLimitUs` makes no progress. */
const LEAST_PROGRESS_BYTES = 1024
/** Part of an application's buffers in use from which on they run short: new connections get the smallest (buffersize.ts). */
const SHORT_FILL = 3 / 4
/** Part of all TCBs that is free when they run short. */
const SHORT_FLOWS = 1 / 8

/**
 * Called at every look at a watched flow. Ends the connection, and returns true, if its peer has held it up for too long.
 */
export function endStalled(stack: Stack, connection: Connection): boolean {
  const { stallLimitUs } = stack.config.tcp
  const acked = stack.flows.word(connection, TCB_ACKED_BYTES)
  const progress = seqDiff(acked, connection.stallAcked)
  const isStalled = connection.stallSinceUs >= 0 && progress < LEAST_PROGRESS_BYTES && isHeldUp(stack, connection)
  if (!isStalled) {
    connection.stallSinceUs = stack.nowUs
    connection.stallAcked = acked
    return false
  }
  const isOver = stallLimitUs > 0 && stack.nowUs - connection.stallSinceUs >= stallLimitUs
  if (!isOver || !isMemoryWanted(stack, connection)) return false
  stack.stats.add('connectionsStalled')
  abortConnection(stack, connection, ETIMEDOUT)
  return true
}

function isMemoryWanted(stack: Stack, { app, isAppClosed }: Connection): boolean {
  const isShort = stack.flows.available < stack.state.shape.flows * SHORT_FLOWS
  return isAppClosed || isShort || (app !== null && app.fill >= SHORT_FILL)
}
