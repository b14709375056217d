/**
 * Frames for our own addresses: handshakes, resets and acknowledgments between two connections of one TAS never reach the port. They
 * wait here for the next poll, which handles them as if a worker had passed them up. Both ends of such a connection belong to one
 * worker, whose loop port carries what comes after.
 */
import { RX_CHECKSUM_GOOD, RX_LOOPBACK } from '../../native/port.js'
import type { Frame } from './stack.js'

/** Frames that may wait; more are lost, as on a link. */
const WAITING_MAX = 4_096

/** Whether a frame has not come from outside. */
export function isInside(frame: Frame): boolean {
  return (frame.rxFlags & RX_LOOPBACK) !== 0
}

export class LoopbackQueue {
  private waiting: Frame[] = []

  /** Takes a complete frame over. */
  push(bytes: Uint8Array): void {
    if (this.waiting.length >= WAITING_MAX) return
    this.waiting.push({ bytes, rxFlags: RX_CHECKSUM_GOOD | RX_LOOPBACK, gso: 0, flow: -1, gen: 0 })
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0
  }

  /** Takes all frames that wait; those that they cause wait for the next time. */
  takeAll(): readonly Frame[] {
    const taken = this.waiting
    this.waiting = []
    return taken
  }
}
