/** IPv4 addresses as the library takes and gives them. In shared memory they are signed words, 10.0.0.1 is 0x0a000001. */
import { TasError } from './errors.js'

const DOTTED = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/

/** '10.0.0.1' to a signed word; null for what is no IPv4 address. */
export function ipv4Word(text: string): number | null {
  const match = DOTTED.exec(text)
  if (match === null) return null
  let word = 0
  for (let part = 1; part <= 4; part++) {
    const octet = Number(match[part])
    if (octet > 255) return null
    word = (word << 8) | octet
  }
  return word
}

/** '10.0.0.1' or 0x0a000001 to a signed word. Throws TasError EINVAL for anything else. */
export function addressWord(address: string | number): number {
  if (typeof address === 'string') return ipv4Word(address) ?? badAddress(address)
  if (!Number.isInteger(address) || address < -0x80000000 || address > 0xffffffff) badAddress(address)
  return address | 0
}

function badAddress(address: string | number): never {
  throw new TasError('EINVAL', `address ${JSON.stringify(address)}: want an IPv4 address such as '10.0.0.1' or 0x0a000001`)
}

/** Signed or unsigned word to '10.0.0.1'. */
export function formatAddress(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`
}

/** Throws TasError EINVAL unless `port` is an integer from `least` to 65535. */
export function checkPort(port: number, least: number): number {
  if (Number.isInteger(port) && port >= least && port <= 0xffff) return port
  throw new TasError('EINVAL', `port ${port}: want an integer from ${least} to 65535`)
}
