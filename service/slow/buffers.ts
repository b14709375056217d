/**
 * Connection buffers in an application's region: pieces of power-of-two sizes. A freed piece is the
 * next of its size to be handed out, while it is still in a cache. The books are kept here, not in the region.
 *
 * Pieces start at multiples of their size, counted from the first byte, so each has a neighbour with which it makes up a piece
 * of twice the size (buddies: Knuth, The Art of Computer Programming 1, 2.5). They are put together only when nothing else fits.
 */
import { BUFFER_UNIT_BYTES, log2Ceil, powerOfTwo } from '../../lib/memif/index.js'
import { FreePieces } from './pieces.js'

export class BufferAllocator {
  /** Bytes handed out, rounded to piece sizes. */
  usedBytes = 0
  /** Bytes managed. */
  readonly totalBytes: number
  private readonly firstByte: number
  /** Bytes from `firstByte` on that were ever handed out. */
  private nextByte = 0
  /** Free pieces by log2 of their size. */
  private readonly free = Array.from({ length: 40 }, () => new FreePieces())
  /** Nothing was freed since free pieces were put together. */
  private isJoined = true

  /** Manages the bytes from `firstByte` (a multiple of 64) to `endByte` of a region. */
  constructor(firstByte: number, endByte: number) {
    this.firstByte = firstByte
    this.totalBytes = endByte - firstByte
  }

  /** Place of a piece of at least `bytes` bytes, in BUFFER_UNIT_BYTES, or -1 if there is none. */
  allocate(bytes: number): number {
    const log2 = sizeClass(bytes)
    const byte = this.take(log2)
    if (byte < 0) return -1
    this.usedBytes += powerOfTwo(log2)
    return this.placeOf(byte)
  }

  /** Takes back what `allocate(bytes)` gave. `isClean`: it holds no pages. */
  release(place: number, bytes: number, isClean = false): void {
    const log2 = sizeClass(bytes)
    this.usedBytes -= powerOfTwo(log2)
    this.free[log2].push(place * BUFFER_UNIT_BYTES - this.firstByte, isClean)
    this.isJoined = false
  }

  /** Up to `limit` free pieces that may hold pages, as [place, bytes]; they count as clean from then on. */
  takeDirty(limit: number): [number, number][] {
    const taken: [number, number][] = []
    for (let log2 = 0; log2 < this.free.length; log2++) {
      for (let left = Math.min(this.free[log2].dirty, limit - taken.length); left > 0; left--) {
        taken.push([this.placeOf(this.free[log2].takeDirty()), powerOfTwo(log2)])
      }
    }
    return taken
  }

  /** How many `takeDirty` would find. */
  get dirtyPieces(): number {
    let count = 0
    for (const pieces of this.free) count += pieces.dirty
    return count
  }

  private placeOf(byte: number): number {
    return (this.firstByte + byte) / BUFFER_UNIT_BYTES
  }

  private take(log2: number): number {
    const byte = this.free[log2].pop() ?? this.takeFresh(log2) ?? this.split(log2)
    if (byte !== undefined || this.isJoined) return byte ?? -1
    this.join()
    return this.free[log2].pop() ?? this.split(log2) ?? -1
  }

  /** A piece that was never handed out. What is skipped for alignment becomes free pieces. */
  private takeFresh(log2: number): number | undefined {
    const size = 2 ** log2
    const start = Math.ceil(this.nextByte / size) * size
    if (start + size > this.totalBytes) return undefined
    while (this.nextByte < start) {
      const piece = largestAligned(this.nextByte)
      this.free[piece].push(this.nextByte, true)
      this.nextByte += 2 ** piece
    }
    this.nextByte = start + size
    return start
  }

  /** Cuts the smallest larger piece until it fits; parts of one that may hold pages may hold pages. */
  private split(log2: number): number | undefined {
    const larger = this.free.findIndex((pieces, size) => size > log2 && pieces.length > 0)
    if (larger < 0) return undefined
    const isClean = this.free[larger].dirty === 0
    const byte = this.free[larger].pop()
    for (let size = larger - 1; byte !== undefined && size >= log2; size--) this.free[size].push(byte + 2 ** size, isClean)
    return byte
  }

  /** Puts free neighbours together, from the smallest size up. */
  private join(): void {
    this.isJoined = true
    for (let log2 = sizeClass(1); log2 < this.free.length - 1; log2++) {
      this.free[log2].join(2 ** log2, (byte, isClean) => this.free[log2 + 1].push(byte, isClean))
    }
  }
}

function sizeClass(bytes: number): number {
  return Math.max(log2Ceil(BUFFER_UNIT_BYTES), log2Ceil(bytes))
}

/** log2 of the largest piece that may start at `byte`, which is not 0. */
function largestAligned(byte: number): number {
  let log2 = 0
  while (byte % 2 ** (log2 + 1) === 0) log2++
  return log2
}
