/**
 * The receiving half of a connection, in sequence numbers (signed words, RFC 9293 3.4).
 *
 *      read .............. told .............. end
 *      the program has     reported by         known from the worker,
 *      not given back      CONN_RECEIVED       not yet reported
 *
 * The service may change to another buffer: bytes from then on stand in the new one. What the program has not given back is
 * copied to the same sequence positions there; views of the old one stay good until it is.
 */
import { copyStream } from './streamcopy.js'
import { TasError } from './errors.js'

const NOTHING = new Uint8Array(0)

export class ReceiveStream {
  /** The receive buffer; the byte with sequence number `seq` stands at `(seq - base) & mask`. */
  buffer: Uint8Array = NOTHING
  base = 0
  mask = 0
  /** Where the buffer starts in the region, in BUFFER_UNIT_BYTES. */
  place = 0
  /** Behind the last byte received in order. */
  end = 0
  told = 0
  read = 0
  /** The peer's FIN is behind `end`. */
  closed = false
  closedTold = false
  /** The peer has urgent data that is not all given back; it ends before `urgentEnd` (RFC 9293, 3.8.5). */
  isUrgent = false
  urgentEnd = 0
  urgentTold = false

  open(buffer: Uint8Array, place: number, base: number): void {
    this.buffer = buffer
    this.place = place
    this.mask = buffer.length - 1
    this.base = this.end = this.told = this.read = base
  }

  /** Takes over a worker's report; an older one than the last changes nothing. */
  absorb(end: number, base: number, closed: boolean): void {
    if (((end - this.end) | 0) > 0) {
      this.end = end
      this.base = base
    }
    if (closed) this.closed = true
  }

  /** From sequence number `base` on received bytes stand in `buffer`, which starts at `place`. To be called before `absorb`. */
  change(buffer: Uint8Array, place: number, base: number): void {
    copyStream(this.buffer, this.base, buffer, base, this.read, base)
    this.buffer = buffer
    this.mask = buffer.length - 1
    this.place = place
    this.base = base
  }

  /** Bytes reported and not given back. */
  get available(): number {
    return (this.told - this.read) | 0
  }

  /** Bytes received and not given back, reported or not. */
  get unread(): number {
    return (this.end - this.read) | 0
  }

  /** Bytes from `read` to the end of urgent data, received or not; 0 without. */
  get urgent(): number {
    return this.isUrgent ? (this.urgentEnd - this.read) | 0 : 0
  }

  /** Gives `len` bytes back. Throws TasError EINVAL if that is more than were reported. */
  done(len: number): void {
    if (!(len >= 0 && len <= this.available)) {
      throw new TasError('EINVAL', `rxDone(${len}): ${this.available} received bytes are not given back yet`)
    }
    this.read = (this.read + len) | 0
    if (this.isUrgent) this.isUrgent = this.urgent > 0
  }

  /** What was not given back is gone, read or not. */
  lose(): void {
    this.read = this.told = this.end
    this.isUrgent = false
  }

  /** The peer's urgent data ends before sequence number `end`. Returns whether that is further than was known. */
  urge(end: number): boolean {
    if (((end - (this.isUrgent ? this.urgentEnd : this.read)) | 0) <= 0) return false
    this.isUrgent = true
    this.urgentEnd = end
    this.urgentTold = false
    return true
  }
}
