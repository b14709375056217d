/** Frames for the port tests: Ethernet, IPv4 and TCP headers with a payload. */
import { checksumFoldSoft } from '../../native/checksum.js'
import {
  COPY_BUFFER, COPY_BUFFER_LEN, COPY_DESC_WORDS, COPY_FRAME, COPY_FROM, COPY_LEN, COPY_POS, COPY_REGION, type Port, TX_BUFFER,
  TX_BUFFER_LEN, TX_DESC_WORDS, TX_GSO, TX_HEADER_LEN, TX_PAYLOAD_LEN, TX_POS, TX_REGION, TX_SLOT_BYTES, TX_SLOT_ETHERNET,
} from '../../native/port.js'

export const HEADERS = 54
export const MAC_A = Uint8Array.of(0x02, 0x74, 0x6e, 0, 0, 1)
export const MAC_B = Uint8Array.of(0x02, 0x74, 0x6e, 0, 0, 2)

/** Bytes that differ from place to place and from seed to seed. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + seed) & 0xff
  return bytes
}

/** Headers without checksums, as the fast path leaves them; `seq` is the TCP sequence number. */
export function headers(to: Uint8Array, from: Uint8Array, payloadLen: number, seq: number): Uint8Array {
  const bytes = new Uint8Array(HEADERS)
  const view = new DataView(bytes.buffer)
  bytes.set(to)
  bytes.set(from, 6)
  view.setUint16(12, 0x0800)
  bytes[14] = 0x45
  view.setUint16(16, 40 + payloadLen)
  bytes[22] = 64
  bytes[23] = 6
  bytes.set([10, 99, 0, 1, 10, 99, 0, 2], 26)
  view.setUint16(34, 4000)
  view.setUint16(36, 5000)
  view.setUint32(38, seq)
  bytes[46] = 0x50
  bytes[47] = 0x10
  view.setUint16(48, 1000)
  return bytes
}

/** Where the payload of a frame to send stands. */
export interface Payload {
  readonly region: number
  readonly buffer: number
  readonly bufferLen: number
  readonly pos: number
  readonly len: number
}

/** Fills a transmit slot. */
export function fillSlot(port: Port, slot: number, head: Uint8Array, payload: Payload, gso = 0): void {
  port.txHeaders.set(head, slot * TX_SLOT_BYTES + TX_SLOT_ETHERNET)
  const at = slot * TX_DESC_WORDS
  port.txDesc[at + TX_HEADER_LEN] = head.length
  port.txDesc[at + TX_REGION] = payload.region
  port.txDesc[at + TX_BUFFER] = payload.buffer / 64
  port.txDesc[at + TX_BUFFER_LEN] = payload.bufferLen
  port.txDesc[at + TX_POS] = payload.pos
  port.txDesc[at + TX_PAYLOAD_LEN] = payload.len
  port.txDesc[at + TX_GSO] = gso
}

/** Fills a copy descriptor. */
export function fillCopy(port: Port, index: number, frame: number, from: number, to: Payload): void {
  const at = index * COPY_DESC_WORDS
  port.copyDesc[at + COPY_FRAME] = frame
  port.copyDesc[at + COPY_FROM] = from
  port.copyDesc[at + COPY_REGION] = to.region
  port.copyDesc[at + COPY_BUFFER] = to.buffer / 64
  port.copyDesc[at + COPY_BUFFER_LEN] = to.bufferLen
  port.copyDesc[at + COPY_POS] = to.pos
  port.copyDesc[at + COPY_LEN] = to.len
}

/** Writes bytes to a ring buffer. */
export function putRing(memory: Uint8Array, at: Payload, bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) memory[at.buffer + ((at.pos + i) & (at.bufferLen - 1))] = bytes[i]
}

/** Reads bytes from a ring buffer. */
export function getRing(memory: Uint8Array, at: Payload): Uint8Array {
  return Uint8Array.from({ length: at.len }, (_, i) => memory[at.buffer + ((at.pos + i) & (at.bufferLen - 1))])
}

/** A received frame's bytes, as far as they are in the port's memory. */
export function frameBytes(port: Port, index: number): Uint8Array {
  return port.frames.slice(port.rxOffset[index], port.rxOffset[index] + port.rxLen[index])
}

/** Whether this frame is one of ours and not the host kernel's. */
export function isOurs(port: Port, index: number): boolean {
  const at = port.rxOffset[index]
  return port.frames[at + 12] === 8 && port.frames[at + 13] === 0 && port.frames[at + 26] === 10 && port.frames[at + 27] === 99
}

/** Sequence number of a received frame. */
export function seqOf(port: Port, index: number): number {
  return new DataView(port.frames.buffer).getUint32(port.rxOffset[index] + 38)
}

/** The sum over pseudo-header and segment: 0xffff if the checksum is right. */
export function tcpSum(frame: Uint8Array): number {
  const length = ((frame[16] << 8) | frame[17]) - 20
  return checksumFoldSoft(frame, 34, length, checksumFoldSoft(frame, 26, 8, 6 + length))
}

/** The pseudo-header's sum alone, which a partial checksum holds. */
export function pseudoSum(frame: Uint8Array): number {
  return checksumFoldSoft(frame, 26, 8, 6 + frame.length - 34)
}

export function field16(frame: Uint8Array, at: number): number {
  return (frame[at] << 8) | frame[at + 1]
}
