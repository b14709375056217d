/** Random data that a failing test can be repeated with: TASJS_SEED=N. */
import { createHash } from 'node:crypto'
import { onTestFailed } from 'vitest'
import { Random } from './seeded.js'

/** A source of random numbers for the running test, whose seed is printed if it fails. */
export function testRandom(): Random {
  const given = process.env.TASJS_SEED
  const seed = given === undefined ? Math.floor(Math.random() * 0x7fffffff) : Number(given)
  onTestFailed(() => console.error(`repeat with TASJS_SEED=${seed}`))
  return new Random(seed)
}

/** SHA-256 in hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
