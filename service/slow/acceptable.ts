/** The first check of every segment (RFC 9293, 3.10.7.4, first). */
import { segmentLen, seqAdd, seqInWindow, type TcpParsed } from '../../lib/wire/index.js'

/** Whether a segment is acceptable: its first or its last number is in the receive window, or it is empty like that. */
export function isAcceptable(tcp: TcpParsed, rcvNxt: number, rcvWnd: number): boolean {
  const len = segmentLen(tcp)
  if (rcvWnd === 0) return len === 0 && tcp.seq === rcvNxt
  return seqInWindow(tcp.seq, rcvNxt, rcvWnd) || seqInWindow(seqAdd(tcp.seq, Math.max(len - 1, 0)), rcvNxt, rcvWnd)
}
