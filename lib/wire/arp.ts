/** ARP for IPv4 over Ethernet (RFC 826). */
import { MAC_BYTES } from './address.js'
import { readU16, readWord, writeU16, writeWord } from './bytes.js'

/** Bytes of an ARP packet, without the Ethernet header. */
export const ARP_BYTES = 28
export const ARP_REQUEST = 1
export const ARP_REPLY = 2

export interface ArpPacket {
  /** ARP_REQUEST or ARP_REPLY. */
  readonly operation: number
  readonly senderMac: Uint8Array
  readonly senderIp: number
  readonly targetMac: Uint8Array
  readonly targetIp: number
}

/** Reads the packet at `at`; null if it is cut short or not a request or reply for IPv4 over Ethernet. */
export function parseArp(bytes: Uint8Array, at: number): ArpPacket | null {
  if (bytes.length < at + ARP_BYTES) return null
  const kinds = readWord(bytes, at) === 0x00010800 && readU16(bytes, at + 4) === 0x0604
  const operation = readU16(bytes, at + 6)
  if (!kinds || (operation !== ARP_REQUEST && operation !== ARP_REPLY)) return null
  return {
    operation,
    senderMac: bytes.slice(at + 8, at + 8 + MAC_BYTES),
    senderIp: readWord(bytes, at + 14),
    targetMac: bytes.slice(at + 18, at + 18 + MAC_BYTES),
    targetIp: readWord(bytes, at + 24),
  }
}

/** Writes the packet at `at`, ARP_BYTES long. */
export function emitArp(bytes: Uint8Array, at: number, packet: ArpPacket): void {
  writeWord(bytes, at, 0x00010800)
  writeU16(bytes, at + 4, 0x0604)
  writeU16(bytes, at + 6, packet.operation)
  bytes.set(packet.senderMac, at + 8)
  writeWord(bytes, at + 14, packet.senderIp)
  bytes.set(packet.targetMac, at + 18)
  writeWord(bytes, at + 24, packet.targetIp)
}
