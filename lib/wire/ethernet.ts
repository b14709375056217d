/** Ethernet II headers. */
import { MAC_BYTES } from './address.js'
import { readU16, writeU16 } from './bytes.js'

export const ETHERNET_HEADER_BYTES = 14
export const ETHERTYPE_IPV4 = 0x0800
export const ETHERTYPE_ARP = 0x0806
/** An IEEE 802.1Q tag stands in the place of the type, the type behind it. */
export const ETHERTYPE_VLAN = 0x8100

/** ff:ff:ff:ff:ff:ff. */
export const MAC_BROADCAST: Uint8Array = new Uint8Array(MAC_BYTES).fill(0xff)

export interface EthernetHeader {
  readonly target: Uint8Array
  readonly source: Uint8Array
  readonly etherType: number
}

/** Reads the header of a frame; null if the frame is shorter than one. The addresses are copies: not for each packet. */
export function parseEthernet(frame: Uint8Array): EthernetHeader | null {
  if (frame.length < ETHERNET_HEADER_BYTES) return null
  return { target: frame.slice(0, MAC_BYTES), source: frame.slice(MAC_BYTES, 2 * MAC_BYTES), etherType: readU16(frame, 12) }
}

/** Writes a header at the start of `frame`. */
export function emitEthernet(frame: Uint8Array, header: EthernetHeader): void {
  frame.set(header.target, 0)
  frame.set(header.source, MAC_BYTES)
  writeU16(frame, 12, header.etherType)
}
