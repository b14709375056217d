/** Exchanges that tests run under different conditions. */
import { expect } from 'vitest'
import { PEER_ADDRESS, TAS_ADDRESS } from '../../tools/netlab/index.js'
import type { Hosts } from './harness.js'
import { sha256 } from './random.js'
import type { Random } from './seeded.js'
import type { TasSocket } from './tasside.js'

/** A connection from both ends. */
export interface Pair {
  readonly socket: TasSocket
  /** The peer's socket. */
  readonly remote: number
}

let nextPort = 6000

/** Linux opens a connection to TAS. */
export async function openFromLinux({ tas, peer }: Hosts): Promise<Pair> {
  const port = nextPort++
  const listener = await tas.listen(port)
  const remote = await peer.call('connect', TAS_ADDRESS, port)
  const socket = await tas.accept(listener)
  listener.close()
  return { socket, remote }
}

/** TAS opens a connection to Linux. */
export async function openFromTas({ tas, peer }: Hosts): Promise<Pair> {
  const port = await peer.call('listen', 0)
  const socket = await tas.connect(PEER_ADDRESS, port)
  expect(socket.closedCode).toBeNull()
  return { socket, remote: await peer.call('accept', port) }
}

/** Messages of random sizes go back and forth; each must arrive as it was sent. */
export async function echoRandomSizes({ peer }: Hosts, { socket, remote }: Pair, random: Random): Promise<void> {
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
export async function bulkToTas({ peer }: Hosts, { socket, remote }: Pair, len: number, random: Random): Promise<void> {
  const [sent, received] = await Promise.all([peer.call('sendRandom', remote, len, random.next()), socket.read(len)])
  expect(sha256(received)).toBe(sent)
}

/** `len` bytes from TAS to Linux. */
export async function bulkToLinux({ peer }: Hosts, { socket, remote }: Pair, len: number, random: Random): Promise<void> {
  const bytes = random.bytes(len)
  const [, received] = await Promise.all([socket.write(bytes), peer.call('readHash', remote, len)])
  expect(received).toBe(sha256(bytes))
}
