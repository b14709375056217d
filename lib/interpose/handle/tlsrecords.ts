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
import { UnitCutter } from './cutter.js'

const HEADER_BYTES = 5
const MAJOR_OFFSET = 1
const LENGTH_OFFSET = 3
/** change_cipher_spec, the least type that there is, and heartbeat, the greatest. */
const TYPE_MIN = 20
const TYPE_MAX = 24
const MAJOR = 3
/** Longest payload: that of TLS 1.2. */
const PAYLOAD_MAX_BYTES = (1 << 14) + 2048

export class RecordCutter extends UnitCutter {
  /** The bytes are no records, or not from the beginning of one on: they are given as they come. */
  private isLost = false

  constructor() {
    super(HEADER_BYTES)
  }

  take(bytes: Uint8Array, offset: number, len: number): number {
    if (this.isLost) return len
    const taken = this.takeUnit(bytes, offset, len)
    return this.isLost ? len : taken
  }

  protected readHeaderByte(byte: number): void {
    if (this.headerBytes === 0) {
      this.isLost = byte < TYPE_MIN || byte > TYPE_MAX
    } else if (this.headerBytes === MAJOR_OFFSET) {
      this.isLost ||= byte !== MAJOR
    } else if (this.headerBytes >= LENGTH_OFFSET) {
      this.payloadBytes = (this.payloadBytes << 8) | byte
      this.isLost ||= this.payloadBytes > PAYLOAD_MAX_BYTES
    }
  }
}
