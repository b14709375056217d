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
import type { StreamCutter } from './reads.js'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')
const HEADER_BYTES = 9
const TYPE_OFFSET = 3
const SETTINGS = 4
const PING = 6

export class FrameCutter implements StreamCutter {
  private isFirst = true
  /** Of the frame that is being given: bytes of the header that have been seen, and the length it tells. */
  private headerBytes = 0
  private payloadBytes = 0
  private type = 0
  /** Bytes up to the next header. */
  private leftBytes = 0

  take(bytes: Uint8Array, offset: number, len: number): number {
    if (this.isFirst) {
      this.isFirst = false
      if (isPreface(bytes, offset, len)) this.leftBytes = PREFACE.length
    }
    let taken = this.takeFrame(bytes, offset, len)
    while (isAnswered(this.type) && taken + TYPE_OFFSET < len && isAnswered(bytes[offset + taken + TYPE_OFFSET])) {
      taken += this.takeFrame(bytes, offset + taken, len - taken)
    }
    return taken
  }

  /** To the end of a frame, or to that of the bytes. */
  private takeFrame(bytes: Uint8Array, offset: number, len: number): number {
    let at = this.takeLeft(len)
    if (at > 0 && this.leftBytes === 0) return at
    while (at < len && this.headerBytes < HEADER_BYTES) this.takeHeaderByte(bytes[offset + at++])
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
    if (this.headerBytes === 0) this.payloadBytes = 0
    if (this.headerBytes < TYPE_OFFSET) this.payloadBytes = (this.payloadBytes << 8) | byte
    else if (this.headerBytes === TYPE_OFFSET) this.type = byte
    this.headerBytes++
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
