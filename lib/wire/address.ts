/** IPv4 and MAC addresses as text. An IPv4 address is a signed 32-bit word: 10.0.0.1 is 0x0a000001. */

/** 255.255.255.255. */
export const IPV4_BROADCAST = -1
/** Bytes of a MAC address. */
export const MAC_BYTES = 6

/** An address with the length of its network prefix (0 to 32). */
export interface Prefix {
  readonly ip: number
  readonly prefix: number
}

/** Parses dotted decimal ('10.0.0.1'); null if it is not four numbers from 0 to 255 without leading zeros. */
export function parseIpv4Address(text: string): number | null {
  const parts = text.split('.')
  if (parts.length !== 4) return null
  let ip = 0
  for (const part of parts) {
    const value = parseDecimal(part, 255)
    if (value === null) return null
    ip = (ip << 8) | value
  }
  return ip
}

/** Parses an address with prefix ('10.0.0.1/24'); without one the prefix is 32. Null if it is neither. */
export function parsePrefix(text: string): Prefix | null {
  const slash = text.indexOf('/')
  const ip = parseIpv4Address(slash < 0 ? text : text.slice(0, slash))
  const prefix = slash < 0 ? 32 : parseDecimal(text.slice(slash + 1), 32)
  return ip === null || prefix === null ? null : { ip, prefix }
}

function parseDecimal(text: string, max: number): number | null {
  if (!/^(0|[1-9][0-9]{0,2})$/.test(text)) return null
  const value = Number(text)
  return value <= max ? value : null
}

/** Dotted decimal of an address word. */
export function formatIpv4Address(ip: number): string {
  return `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`
}

/** Mask of a prefix length as a signed word: 24 gives 255.255.255.0. */
export function prefixMask(prefix: number): number {
  return prefix === 0 ? 0 : -1 << (32 - prefix)
}

/** Parses six hexadecimal bytes between colons ('02:00:00:00:00:01'), null otherwise. */
export function parseMac(text: string): Uint8Array | null {
  if (!/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text)) return null
  return Uint8Array.from(text.split(':'), (part) => Number.parseInt(part, 16))
}

/** Six hexadecimal bytes between colons. */
export function formatMac(mac: Uint8Array): string {
  return Array.from(mac.subarray(0, MAC_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join(':')
}

/** Whether the group bit is set: multicast or broadcast. */
export function isGroupMac(mac: Uint8Array): boolean {
  return (mac[0] & 1) !== 0
}

/** Whether two MAC addresses are the same. */
export function sameMac(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < MAC_BYTES; i++) if (a[i] !== b[i]) return false
  return true
}
