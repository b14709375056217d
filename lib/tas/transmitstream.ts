/**
 * The sending half of a connection, in sequence numbers (signed words, RFC 9293 3.4).
 *
 *      una .............. end .............. end + allocated .............. una + size
 *      sent, not          allocated by        free
 *      acknowledged       txAlloc
 *
 * The service may grant another buffer; it is changed to when nothing is allocated.
 */
import { BUMP_URGENT, BUMP_URGENT_MAX, BUMP_URGENT_SHIFT, REBASE_BYTES } from '../memif/index.js'
import { copyStream } from './streamcopy.js'
import { TasError } from './errors.js'

const NOTHING = new Uint8Array(0)

export class TransmitStream {
  /** The transmit buffer; the byte with sequence number `seq` stands at `(seq - base) & mask`. */
  buffer: Uint8Array = NOTHING
  base = 0
  mask = 0
  /** Where the buffer starts in the region, in BUFFER_UNIT_BYTES. */
  place = 0
  private granted: Uint8Array | null = null
  private grantedPlace = 0
  /** First byte not acknowledged. */
  una = 0
  /** Behind the last byte handed over with txSend. */
  end = 0
  /** Bytes allocated and not yet sent. */
  allocated = 0
  /** Free bytes that the program waits for (CONN_SENDBUF); 0 if it does not. */
  wanted = 0
  /** txClose was called. */
  finQueued = false
  /** Everything and the FIN is acknowledged. */
  closed = false
  closedTold = false
  /** Something is urgent, up to `urgentEnd` (SND.UP), and perhaps not acknowledged. */
  private isUrgent = false
  private urgentEnd = 0
  /** What the last allocation got: first part, then the part behind the wrap, which starts at 0. */
  offset = 0
  length = 0
  length2 = 0

  open(buffer: Uint8Array, place: number, base: number): void {
    this.buffer = buffer
    this.place = place
    this.mask = buffer.length - 1
    this.base = this.una = this.end = base
  }

  /** Takes over a worker's report; an older one than the last changes nothing. */
  absorb(una: number, closed: boolean): void {
    if (((una - this.una) | 0) > 0) this.una = una
    if (closed) this.closed = true
  }

  /** The service grants `buffer`, which starts at `place`. */
  grant(buffer: Uint8Array, place: number): void {
    this.granted = buffer
    this.grantedPlace = place
  }

  /** Changes to the granted buffer if there is one and nothing stands against it. Returns whether it did. */
  adopt(): boolean {
    const { granted } = this
    if (granted === null || this.allocated > 0 || this.finQueued || ((this.end - this.una) | 0) > granted.length) return false
    const base = this.una === this.end ? this.end : this.base
    copyStream(this.buffer, this.base, granted, base, this.una, this.end)
    this.buffer = granted
    this.mask = granted.length - 1
    this.base = base
    this.place = this.grantedPlace
    this.granted = null
    return true
  }

  /** Bytes that can still be allocated. */
  get free(): number {
    return this.buffer.length - (((this.end - this.una) | 0) + this.allocated)
  }

  /** Allocates up to `len` bytes; without `wrap` they are contiguous. Returns how many. */
  alloc(len: number, wrap: boolean): number {
    if (!(len >= 0 && Math.floor(len) === len)) throw new TasError('EINVAL', `txAlloc(${len}): want a number of bytes`)
    if (this.granted !== null) this.adopt()
    const free = this.free
    let got = len
    if (free < len) {
      got = free
      this.wantMore(len - free)
    }
    if (this.una === this.end && this.allocated === 0 && ((this.end - this.base) | 0) >= REBASE_BYTES) this.base = this.end
    this.offset = (this.end + this.allocated - this.base) & this.mask
    const contiguous = this.buffer.length - this.offset
    this.length = got <= contiguous ? got : contiguous
    this.length2 = wrap ? got - this.length : 0
    got = this.length + this.length2
    this.allocated += got
    return got
  }

  /** Sends the first `len` allocated bytes. Throws TasError EINVAL if fewer are allocated. */
  send(len: number): void {
    if (!(len >= 0 && len <= this.allocated)) {
      throw new TasError('EINVAL', `txSend(${len}): ${this.allocated} bytes are allocated`)
    }
    this.allocated -= len
    this.end = (this.end + len) | 0
  }

  /** What has been handed over so far is urgent. */
  markUrgent(): void {
    this.isUrgent = true
    this.urgentEnd = this.end
  }

  /** What BUMP_FLAGS says of urgent data. */
  urgentBits(): number {
    if (!this.isUrgent) return 0
    if (((this.urgentEnd - this.una) | 0) > 0) return BUMP_URGENT | (Math.min((this.end - this.urgentEnd) | 0, BUMP_URGENT_MAX) << BUMP_URGENT_SHIFT)
    this.isUrgent = false
    return 0
  }

  /** A quarter of the buffer is worth an event; so is less if that is all the program asked for. */
  wantMore(len: number): void {
    const quarter = this.buffer.length >> 2
    this.wanted = len < quarter ? len : quarter
    if (this.wanted === 0) this.wanted = 1
  }

  /** Whether the room that the program waits for is there. */
  get roomCame(): boolean {
    return this.wanted !== 0 && this.free >= this.wanted
  }
}
