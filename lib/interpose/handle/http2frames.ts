/**
 * Where frames of HTTP/2 end in a stream of bytes (RFC 9113, sections 3.4 and 4.1).
 *
 *   PRI * HTTP/2.0...   a client's preface, 24 bytes
 *   +-----------+------+-------+-----------+ - - - - - -+
 *   | length 24 | type | flags | stream 32 |  payload   |   and so on
 *   +-----------+------+-------+-----------+ - - - - - -+
 *    9 bytes
 *
 * The reader in C++ makes a callback for each frame, and behind each Node runs ticks and promises if nobody of JavaScript is beneath it, as with
 * libuv. With a handle of JavaScript there is somebody. So it is given one frame at a time; but frames that it answers itself together, for what it
 * counts of them in one read tells a flood.
 */
import { UnitCutter } from './cutter.js'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')
const HEADER_BYTES = 9
const TYPE_OFFSET = 3
const SETTINGS = 4
const PING = 6

export class FrameCutter extends UnitCutter {
  private isFirst = true
  /** Of the frame that is being given. */
  private type = 0

  constructor() {
    super(HEADER_BYTES)
  }

  take(bytes: Uint8Array, offset: number, len: number): number {
    if (this.isFirst) {
      this.isFirst = false
      if (isPreface(bytes, offset, len)) this.leftBytes = PREFACE.length
    }
    let taken = this.takeUnit(bytes, offset, len)
    while (isAnswered(this.type) && taken + TYPE_OFFSET < len && isAnswered(bytes[offset + taken + TYPE_OFFSET])) {
      taken += this.takeUnit(bytes, offset + taken, len - taken)
    }
    return taken
  }

  protected readHeaderByte(byte: number): void {
    if (this.headerBytes < TYPE_OFFSET) this.payloadBytes = (this.payloadBytes << 8) | byte
    else if (this.headerBytes === TYPE_OFFSET) this.type = byte
  }
}

function isAnswered(type: number): boolean {
  return type === SETTINGS || type === PING
}

/** Whether the bytes begin as a client's preface does; it comes in one piece, but for peers that mean to be odd. */
function isPreface(bytes: Uint8Array, offset: number, len: number): boolean {
  const likely = Math.min(len, PREFACE.length)
  for (let i = 0; i < likely; i++) if (bytes[offset + i] !== PREFACE[i]) return false
  return true
}
