/**
 * Writes pcapng files (draft-ietf-opsawg-pcapng): one section, one description for each interface, one enhanced packet
 * block for each packet. Pure: bytes go to a function, in large pieces.
 *
 *   block:  type | total length | body ... | total length     all in this machine's byte order, padded to 4
 */
const SECTION_HEADER = 0x0a0d0d0a
const BYTE_ORDER_MAGIC = 0x1a2b3c4d
const INTERFACE_DESCRIPTION = 1
const ENHANCED_PACKET = 6
const LINKTYPE_ETHERNET = 1

const OPT_END = 0
const OPT_COMMENT = 1
const SHB_USERAPPL = 4
const IF_NAME = 2
const IF_TSRESOL = 9
const EPB_FLAGS = 2

/** Microseconds: 10^-6. */
const RESOLUTION = 6
const BUFFER_BYTES = 1 << 18
/** What a block needs beside packet and comment. */
const BLOCK_ROOM = 128
const COMMENT_MAX = 1000

/** epb_flags: how the packet passed the interface. */
export const PCAPNG_INBOUND = 1
export const PCAPNG_OUTBOUND = 2

const encoder = new TextEncoder()

function padded(length: number): number {
  return (length + 3) & ~3
}

export class PcapngWriter {
  private readonly snapBytes: number
  private readonly write: (bytes: Uint8Array) => void
  private readonly buffer = new Uint8Array(BUFFER_BYTES)
  private readonly view = new DataView(this.buffer.buffer)
  private at = 0
  private blockStart = 0

  /**
   * Interface n is `interfaces[n]`. At most `snapBytes` (up to 131,072) of a packet are kept. `write` gets bytes in their order; they
   * are valid during the call only. `application` has written the file.
   */
  constructor(interfaces: readonly string[], snapBytes: number, write: (bytes: Uint8Array) => void, application: string) {
    if (!(snapBytes >= 1 && snapBytes <= 131_072)) throw new RangeError(`snapBytes ${snapBytes}: 1 to 131072`)
    this.snapBytes = snapBytes
    this.write = write
    this.sectionHeader(application)
    for (const name of interfaces) this.interfaceDescription(name)
  }

  private u16(value: number): void {
    this.view.setUint16(this.at, value, true)
    this.at += 2
  }

  private u32(value: number): void {
    this.view.setUint32(this.at, value, true)
    this.at += 4
  }

  private bytes(bytes: Uint8Array): void {
    this.buffer.set(bytes, this.at)
    const end = this.at + padded(bytes.length)
    this.buffer.fill(0, this.at + bytes.length, end)
    this.at = end
  }

  private option(code: number, value: Uint8Array): void {
    this.u16(code)
    this.u16(value.length)
    this.bytes(value)
  }

  private begin(type: number): void {
    this.blockStart = this.at
    this.u32(type)
    this.u32(0)
  }

  private end(): void {
    const length = this.at + 4 - this.blockStart
    this.u32(length)
    this.view.setUint32(this.blockStart + 4, length, true)
  }

  private sectionHeader(application: string): void {
    this.begin(SECTION_HEADER)
    this.u32(BYTE_ORDER_MAGIC)
    this.u16(1)
    this.u16(0)
    // The section's length is not known: -1.
    this.u32(0xffffffff)
    this.u32(0xffffffff)
    this.option(SHB_USERAPPL, encoder.encode(application))
    this.option(OPT_END, new Uint8Array(0))
    this.end()
  }

  private interfaceDescription(name: string): void {
    this.begin(INTERFACE_DESCRIPTION)
    this.u16(LINKTYPE_ETHERNET)
    this.u16(0)
    this.u32(this.snapBytes)
    this.option(IF_NAME, encoder.encode(name))
    this.option(IF_TSRESOL, Uint8Array.of(RESOLUTION))
    this.option(OPT_END, new Uint8Array(0))
    this.end()
  }

  /**
   * Begins a packet of `len` bytes, which are copied from `frame` as far as they are there, seen at `atUs` microseconds since 1970. `endPacket`
   * must follow: what becomes of a packet is known only after it was seen, and it may be changed by then.
   */
  beginPacket(interfaceIndex: number, atUs: number, frame: Uint8Array, len: number): void {
    const captured = Math.min(len, frame.length, this.snapBytes)
    if (this.at + padded(captured) + COMMENT_MAX + BLOCK_ROOM > BUFFER_BYTES) this.flush()
    const us = Math.floor(atUs)
    this.begin(ENHANCED_PACKET)
    this.u32(interfaceIndex)
    this.u32(Math.floor(us / 2 ** 32))
    this.u32(us % 2 ** 32)
    this.u32(captured)
    this.u32(len)
    this.bytes(frame.subarray(0, captured))
  }

  /** Ends the packet: PCAPNG_INBOUND or PCAPNG_OUTBOUND, and a comment unless it is empty. */
  endPacket(direction: number, comment: string): void {
    if (comment !== '') this.option(OPT_COMMENT, encoder.encode(comment).subarray(0, COMMENT_MAX))
    this.u16(EPB_FLAGS)
    this.u16(4)
    this.u32(direction)
    this.option(OPT_END, new Uint8Array(0))
    this.end()
  }

  /** Hands out what is gathered; between packets only. */
  flush(): void {
    if (this.at > 0) this.write(this.buffer.subarray(0, this.at))
    this.at = 0
  }
}
