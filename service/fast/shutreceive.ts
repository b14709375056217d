/** The end of what an application reads. */
import { FLAG_FIN_RECEIVED, FLAG_RX_SHUT, TCB_FLAGS, TCB_RCV_NXT, TCB_RCV_READ, WHAT_UNREAD } from '../../lib/memif/index.js'
import type { FastPath } from './fastpath.js'

/**
 * The application has closed, and TCB rcvRead is how far it has read. What comes from here on goes to the slow path. What came before and is not read
 * stands in the buffer, and may have filled the window: then nothing more would come, and the peer would wait for room that there will never be.
 */
export function shutReceive(fast: FastPath, flow: number, tcb: number): void {
  const { words } = fast
  const flags = words[tcb + TCB_FLAGS]
  words[tcb + TCB_FLAGS] = flags | FLAG_RX_SHUT
  const inOrder = (words[tcb + TCB_RCV_NXT] - ((flags & FLAG_FIN_RECEIVED) !== 0 ? 1 : 0)) | 0
  if (inOrder !== words[tcb + TCB_RCV_READ]) fast.tellSlow(flow, tcb, WHAT_UNREAD)
}
