/** Values of the command line with their units. Each reader throws UnitError saying what is wanted. */
import { type GilbertElliott, NO_QUEUE_LIMIT, type QueueLength } from './direction.js'

/** A value that cannot be read; the message says what is wanted. */
export class UnitError extends Error {}

/** Reads a number with one of `units`, whose factors are given; without a unit where '' is among them. */
function readWithUnit(text: string, units: Readonly<Record<string, number>>, wish: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)([A-Za-z%]*)$/.exec(text.trim()) ?? []
  const factor = unit === undefined ? undefined : Object.hasOwn(units, unit) ? units[unit] : undefined
  const value = Number(digits) * (factor ?? Number.NaN)
  if (Number.isFinite(value)) return value
  throw new UnitError(`want ${wish}`)
}

const RATES = { kbit: 1, mbit: 1e3, gbit: 1e6, Kbit: 1, Mbit: 1e3, Gbit: 1e6 }
const RATE_KBPS_MAX = 400e6

/** A rate in kbit/s. */
export function readRate(text: string): number {
  const wish = 'a rate from 1kbit to 400gbit, as in 512kbit, 100mbit or 2.5gbit'
  const kbps = readWithUnit(text, RATES, wish)
  if (kbps >= 1 && kbps <= RATE_KBPS_MAX) return kbps
  throw new UnitError(`want ${wish}`)
}

const TIMES = { us: 1, ms: 1e3, s: 1e6 }
const TIME_US_MAX = 60e6

/** A time in microseconds. */
export function readTime(text: string): number {
  const wish = 'a time up to 60s, as in 250us, 10ms or 1.5s'
  const us = readWithUnit(text, { ...TIMES, ...(text === '0' ? { '': 1 } : {}) }, wish)
  if (us <= TIME_US_MAX) return us
  throw new UnitError(`want ${wish}`)
}

const BYTES = { B: 1, kB: 1e3, KB: 1e3, MB: 1e6, KiB: 1024, MiB: 1 << 20 }
const LENGTH_MAX = 1e9

/** A queue length: packets without a unit, otherwise bytes. */
export function readQueue(text: string): QueueLength {
  const wish = 'packets or bytes up to a billion, as in 100, 64kB or 1MB'
  const isPackets = /^\d+$/.test(text)
  const length = isPackets ? Number(text) : readWithUnit(text, BYTES, wish)
  if (length > LENGTH_MAX) throw new UnitError(`want ${wish}`)
  return isPackets ? { ...NO_QUEUE_LIMIT, packets: length } : { ...NO_QUEUE_LIMIT, bytes: length }
}

/** A number of bytes from `min` to `max`; the unit may be left out. */
export function readBytes(text: string, min: number, max: number): number {
  const wish = `a number of bytes from ${min} to ${max}`
  const bytes = readWithUnit(text, { ...BYTES, '': 1 }, wish)
  if (Number.isInteger(bytes) && bytes >= min && bytes <= max) return bytes
  throw new UnitError(`want ${wish}`)
}

/** A probability. */
export function readProbability(text: string): number {
  const wish = 'a probability from 0 to 1 or from 0% to 100%, as in 0.01 or 1%'
  const value = readWithUnit(text, { '': 1, '%': 0.01 }, wish)
  if (value <= 1) return value
  throw new UnitError(`want ${wish}`)
}

/** P,R[,1-H[,1-K]]: 1-h is 1 and 1-k 0 when left out, as in tc-netem(8). */
export function readBurstLoss(text: string): GilbertElliott {
  const parts = text.split(',')
  if (parts.length < 2 || parts.length > 4) throw new UnitError('want P,R[,1-H[,1-K]], as in 1%,30% or 0.01,0.3,0.8,0.001')
  const [p, r, lossBad = 1, lossGood = 0] = parts.map(readProbability)
  return { p, r, lossBad, lossGood }
}

/** P,TIME. */
export function readReorder(text: string): { reorder: number; reorderUs: number } {
  const [p, time, ...more] = text.split(',')
  if (time === undefined || more.length > 0) throw new UnitError('want P,TIME, as in 1%,5ms: how many are held back, and for how long at most')
  return { reorder: readProbability(p), reorderUs: readTime(time) }
}

/** A 32-bit seed. */
export function readSeed(text: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (value < 2 ** 32) return value
  throw new UnitError('want a whole number from 0 to 4294967295')
}
