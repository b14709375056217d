/** IPv4 addresses as the library takes and gives them. In shared memory they are signed words, 10.0.0.1 is 0x0a000001. */
import { TasError } from './errors.js'

const DOTTED = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/

/** '10.0.0.1' or 0x0a000001 to a signed word. Throws TasError EINVAL for anything else. */
export function addressWord(address: string | number): number {
  if (typeof address === 'number') {
    if (!Number.isInteger(address) || address < -0x80000000 || address > 0xffffffff) throw badAddress(address)
    return address | 0
  }
  const match = DOTTED.exec(address)
  if (match === null) throw badAddress(address)
  let word = 0
  for (let part = 1; part <= 4; part++) {
    const octet = Number(match[part])
    if (octet > 255) throw badAddress(address)
    word = (word << 8) | octet
  }
  return word
}

function badAddress(address: string | number): TasError {
  return new TasError('EINVAL', `address ${JSON.stringify(address)}: want an IPv4 address such as '10.0.0.1' or 0x0a000001`)
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
