/** What must not be guessed, from the system's random numbers. */
import { randomBytes } from 'node:crypto'
import type { SlowEnv } from './slow/slowpath.js'

/** Bytes of the secret behind initial sequence numbers. */
const SECRET_BYTES = 16

/** A locally administered address of one station, at random. */
export function randomMac(): Uint8Array {
  const mac = new Uint8Array(randomBytes(6))
  mac[0] = (mac[0] & 0xfc) | 0x02
  return mac
}

/** The slow path's random numbers and secret. */
export function slowRandomness(): Pick<SlowEnv, 'random' | 'secret'> {
  const numbers = new Uint32Array(1)
  return { random: { u32: () => crypto.getRandomValues(numbers)[0] }, secret: new Uint8Array(randomBytes(SECRET_BYTES)) }
}
