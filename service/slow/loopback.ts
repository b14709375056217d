/**
 * Frames for our own addresses: handshakes, resets and acknowledgments between two connections of one TAS never reach the port. They
 * wait here for the next poll, which handles them as if a worker had passed them up. Both ends of such a connection belong to one
 * worker, whose loop port carries what comes after.
 */
import { RX_CHECKSUM_GOOD, RX_LOOPBACK } from '../../native/port.js'
import { type FourTuple, HASH_SPREAD, type TupleHash } from './isn.js'
import type { Frame } from './stack.js'

/** Frames that may wait; more are lost, as on a link. */
const WAITING_MAX = 4_096

/** Whether a frame has not come from outside. */
export function isInside(frame: Frame): boolean {
  return (frame.rxFlags & RX_LOOPBACK) !== 0
}

export class LoopbackQueue {
  private readonly hash: TupleHash
  private readonly workers: number
  private waiting: Frame[] = []

  constructor(hash: TupleHash, workers: number) {
    this.hash = hash
    this.workers = workers
  }

  /** Takes a complete frame of the connection `tuple` over. */
  push(bytes: Uint8Array, tuple: FourTuple): void {
    if (this.waiting.length >= WAITING_MAX) return
    const worker = this.workerOf(tuple)
    this.waiting.push({ bytes, rxFlags: RX_CHECKSUM_GOOD | RX_LOOPBACK, gso: 0, worker, flow: -1, gen: 0 })
  }

  /** The worker of both ends of the connection `tuple` between addresses of our own. */
  private workerOf(tuple: FourTuple): number {
    const { localIp, localPort, remoteIp, remotePort } = tuple
    const isFirst = localIp < remoteIp || (localIp === remoteIp && localPort <= remotePort)
    const mirrored = { localIp: remoteIp, localPort: remotePort, remoteIp: localIp, remotePort: localPort }
    return (this.hash.hash(isFirst ? tuple : mirrored, HASH_SPREAD) >>> 0) % this.workers
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
