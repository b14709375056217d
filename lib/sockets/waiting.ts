/** How a call waits for a socket. */
import { MSG_DONTWAIT } from './constants.js'
import type { TcpSocket } from './socket.js'

/** Whether a call with `flags` may wait for `socket`. */
export function mayWait(socket: TcpSocket, flags = 0): boolean {
  return !socket.isNonBlocking && (flags & MSG_DONTWAIT) === 0
}

/** The end of a wait of a call that receives or accepts (SO_RCVTIMEO), by the stack's clock. */
export function receiveDeadline(socket: TcpSocket): number {
  const { receiveTimeoutUs } = socket.options
  return receiveTimeoutUs === 0 ? Infinity : socket.stack.deadline(receiveTimeoutUs)
}

/** The same for one that sends or connects (SO_SNDTIMEO). */
export function sendDeadline(socket: TcpSocket): number {
  const { sendTimeoutUs } = socket.options
  return sendTimeoutUs === 0 ? Infinity : socket.stack.deadline(sendTimeoutUs)
}
