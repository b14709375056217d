/**
 * Where records of TLS end in a stream of bytes (RFC 8446, section 5.1).
 *
 *   +------+---------+-----------+ - - - - - -+
 *   | type | version | length 16 |  payload   |   and so on
 *   +------+---------+-----------+ - - - - - -+
 *    5 bytes
 *
 * A TLSWrap gives what is in a record to its reader, and behind each Node runs ticks and promises if nobody of JavaScript is beneath it, as with
 * libuv (TLSWrap::ClearOut). With a handle of JavaScript there is somebody. So it is given one record at a time.
 */
import type { StreamCutter } from './reads.js'

const HEADER_BYTES = 5
const MAJOR_OFFSET = 1
const LENGTH_OFFSET = 3
/** change_cipher_spec, the least type that there is, and heartbeat, the greatest. */
const TYPE_MIN = 20
const TYPE_MAX = 24
const MAJOR = 3
/** Longest payload: that of TLS 1.2. */
const PAYLOAD_MAX_BYTES = (1 << 14) + 2048

export class RecordCutter implements StreamCutter {
  /** Of the record that is being given: bytes of the header that have been seen, and the length it tells. */
  private headerBytes = 0
  private payloadBytes = 0
  /** Bytes up to the next header. */
  private leftBytes = 0
  /** The bytes are no records, or not from the beginning of one on: they are given as they come. */
  private isLost = false

  take(bytes: Uint8Array, offset: number, len: number): number {
    let at = this.takeLeft(len)
    if (at > 0 && this.leftBytes === 0) return at
    while (at < len && this.headerBytes < HEADER_BYTES && !this.isLost) this.takeHeaderByte(bytes[offset + at++])
    if (this.isLost) return len
    if (this.headerBytes < HEADER_BYTES) return at
    this.headerBytes = 0
    this.leftBytes = this.payloadBytes
    return at + this.takeLeft(len - at)
  }

  private takeLeft(len: number): number {
    const taken = Math.min(this.leftBytes, len)
    this.leftBytes -= taken
    return taken
  }

  private takeHeaderByte(byte: number): void {
    if (this.headerBytes === 0) {
      this.payloadBytes = 0
      this.isLost = byte < TYPE_MIN || byte > TYPE_MAX
    } else if (this.headerBytes === MAJOR_OFFSET) {
      this.isLost = byte !== MAJOR
    } else if (this.headerBytes >= LENGTH_OFFSET) {
      this.payloadBytes = (this.payloadBytes << 8) | byte
      this.isLost = this.payloadBytes > PAYLOAD_MAX_BYTES
    }
    this.headerBytes++
  }
}
