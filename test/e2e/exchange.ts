/** Exchanges that tests run under different conditions. */
import { expect } from 'vitest'
import type { Ends, Pair } from './pairs.js'
import { sha256 } from './random.js'
import type { Random } from './seeded.js'

/** Messages of random sizes go back and forth; each must arrive as it was sent. */
export async function echoRandomSizes({ peer }: Ends, { socket, remote }: Pair, random: Random): Promise<void> {
  for (let round = 0; round < 30; round++) {
    const toTas = random.bytes(random.between(1, 20_000))
    const [, received] = await Promise.all([peer.call('write', remote, toTas), socket.read(toTas.length)])
    expect(sha256(received)).toBe(sha256(toTas))
    const toLinux = random.bytes(random.between(1, 20_000))
    const [, echoed] = await Promise.all([socket.write(toLinux), peer.call('read', remote, toLinux.length)])
    expect(sha256(echoed)).toBe(sha256(toLinux))
  }
}

/** `len` bytes from Linux to TAS. */
export async function bulkToTas({ peer }: Ends, { socket, remote }: Pair, len: number, random: Random): Promise<void> {
  const [sent, received] = await Promise.all([peer.call('sendRandom', remote, len, random.u32()), socket.read(len)])
  expect(sha256(received)).toBe(sent)
}

/** `len` bytes from TAS to Linux. */
export async function bulkToLinux({ peer }: Ends, { socket, remote }: Pair, len: number, random: Random): Promise<void> {
  const bytes = random.bytes(len)
  const [, received] = await Promise.all([socket.write(bytes), peer.call('readHash', remote, len)])
  expect(received).toBe(sha256(bytes))
}

/** Messages, then `len` bytes each way. */
export async function exchangeAll(ends: Ends, pair: Pair, len: number, random: Random): Promise<void> {
  await echoRandomSizes(ends, pair, random)
  await bulkToTas(ends, pair, len, random)
  await bulkToLinux(ends, pair, len, random)
}
