/**
 * Connection buffers in an application's region: pieces of power-of-two sizes. A freed piece is the
 * next of its size to be handed out, while it is still in a cache. The books are kept here, not in the region.
 */
import { BUFFER_UNIT_BYTES, log2Ceil } from '../../lib/memif/index.js'

export class BufferAllocator {
  /** Bytes handed out, rounded to piece sizes. */
  usedBytes = 0
  /** Bytes managed. */
  readonly totalBytes: number
  private readonly endByte: number
  private nextByte: number
  /** Free pieces by log2 of their size. */
  private readonly free: number[][] = Array.from({ length: 40 }, () => [])

  /** Manages the bytes from `firstByte` (a multiple of 64) to `endByte` of a region. */
  constructor(firstByte: number, endByte: number) {
    this.nextByte = firstByte
    this.endByte = endByte
    this.totalBytes = endByte - firstByte
  }

  /** Place of a piece of at least `bytes` bytes, in BUFFER_UNIT_BYTES, or -1 if there is none. */
  allocate(bytes: number): number {
    const log2 = sizeClass(bytes)
    const byte = this.take(log2)
    if (byte < 0) return -1
    this.usedBytes += 2 ** log2
    return byte / BUFFER_UNIT_BYTES
  }

  /** Takes back what `allocate(bytes)` gave. */
  release(place: number, bytes: number): void {
    const log2 = sizeClass(bytes)
    this.usedBytes -= 2 ** log2
    this.free[log2].push(place * BUFFER_UNIT_BYTES)
  }

  private take(log2: number): number {
    const reused = this.free[log2].pop()
    if (reused !== undefined) return reused
    const fresh = this.nextByte
    if (fresh + 2 ** log2 <= this.endByte) {
      this.nextByte = fresh + 2 ** log2
      return fresh
    }
    return this.split(log2)
  }

  /** Cuts the smallest larger piece until it fits. */
  private split(log2: number): number {
    const larger = this.free.findIndex((pieces, size) => size > log2 && pieces.length > 0)
    if (larger < 0) return -1
    const byte = this.free[larger].pop() as number // findIndex saw one
    for (let size = larger - 1; size >= log2; size--) this.free[size].push(byte + 2 ** size)
    return byte
  }
}

function sizeClass(bytes: number): number {
  return Math.max(log2Ceil(BUFFER_UNIT_BYTES), log2Ceil(bytes))
}
