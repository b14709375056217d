/** Cutting what a reader in C++ is given where Node would run ticks, if nobody of JavaScript were beneath it. */

export interface StreamCutter {
  /** How many of the `len` bytes at `offset` to give at once: they are taken as given then. At least 1 if `len` is. */
  take(bytes: Uint8Array, offset: number, len: number): number
}

/** Finds where units end that begin with a header, which tells how long the rest is. A read may end anywhere in them. */
export abstract class UnitCutter implements StreamCutter {
  /** Of the unit that is being given: bytes of the header that have been seen, and the length of the rest that it tells. */
  protected headerBytes = 0
  protected payloadBytes = 0
  /** Bytes up to the next header. */
  protected leftBytes = 0
  private readonly headerLength: number

  constructor(headerLength: number) {
    this.headerLength = headerLength
  }

  abstract take(bytes: Uint8Array, offset: number, len: number): number

  /** Byte number `headerBytes` of a header; sets `payloadBytes`. */
  protected abstract readHeaderByte(byte: number): void

  /** To the end of a unit, or to that of the bytes. */
  protected takeUnit(bytes: Uint8Array, offset: number, len: number): number {
    let at = this.takeLeft(len)
    if (at > 0 && this.leftBytes === 0) return at
    while (at < len && this.headerBytes < this.headerLength) this.takeHeaderByte(bytes[offset + at++])
    if (this.headerBytes < this.headerLength) return at
    this.headerBytes = 0
    this.leftBytes = this.payloadBytes
    return at + this.takeLeft(len - at)
  }

  private takeHeaderByte(byte: number): void {
    if (this.headerBytes === 0) this.payloadBytes = 0
    this.readHeaderByte(byte)
    this.headerBytes++
  }

  private takeLeft(len: number): number {
    const taken = Math.min(this.leftBytes, len)
    this.leftBytes -= taken
    return taken
  }
}
