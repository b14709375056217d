/** What is exchanged with every Linux peer, on one connection. Everything that goes wrong is an Error. */
import { openFromLinux, openFromTas, type Ends, type Pair } from '../e2e/pairs.js'
import { Random } from '../e2e/seeded.js'
import { sameBytes } from './bytes.js'

/** What TAS is in the handshake. */
export const ROLES = ['server', 'client'] as const
export type Role = (typeof ROLES)[number]

const REQUESTS = 12
const REQUEST_MAX_BYTES = 3000
const BULK_BYTES = 1 << 20
const LATE_BYTES = 200_000

/** Opens a connection. */
export function join(ends: Ends, role: Role): Promise<Pair> {
  return role === 'client' ? openFromTas(ends) : openFromLinux(ends)
}

/** Short messages to and fro; the one that opened asks. */
async function requests({ peer }: Ends, { socket, remote }: Pair, role: Role, random: Random): Promise<void> {
  for (let round = 0; round < REQUESTS; round++) {
    const bytes = random.bytes(random.between(1, REQUEST_MAX_BYTES))
    const toTas = async (): Promise<void> => {
      const [, got] = await Promise.all([peer.call('write', remote, bytes), socket.read(bytes.length)])
      sameBytes('message to TAS', got, bytes)
    }
    const toPeer = async (): Promise<void> => {
      const [, got] = await Promise.all([socket.write(bytes), peer.call('read', remote, bytes.length)])
      sameBytes('message to the peer', got, bytes)
    }
    for (const step of role === 'server' ? [toTas, toPeer] : [toPeer, toTas]) await step()
  }
}

async function bulkToTas({ peer }: Ends, { socket, remote }: Pair, len: number, seed: number): Promise<void> {
  const [, got] = await Promise.all([peer.call('sendRandom', remote, len, seed), socket.read(len)])
  sameBytes('bulk to TAS', got, new Random(seed).bytes(len))
}

async function bulkToPeer({ peer }: Ends, { socket, remote }: Pair, len: number, random: Random): Promise<void> {
  const bytes = random.bytes(len)
  const [, hash] = await Promise.all([socket.write(bytes), peer.call('readHash', remote, len)])
  sameBytes('bulk to the peer', hash, bytes)
}

/** One side ends its half first (RFC 9293, 3.6.1): the other still sends. TAS is first as a client. */
async function halfClose(ends: Ends, pair: Pair, role: Role, random: Random): Promise<void> {
  const { peer } = ends
  const { socket, remote } = pair
  if (role === 'client') {
    socket.connection.txClose()
    await peer.call('ended', remote)
    await bulkToTas(ends, pair, LATE_BYTES, random.u32())
    await peer.call('end', remote)
    await socket.wait('the peer\'s FIN', () => socket.rxClosed)
    socket.connection.close()
  } else {
    await peer.call('end', remote)
    await socket.wait('the peer\'s FIN', () => socket.rxClosed)
    await bulkToPeer(ends, pair, LATE_BYTES, random)
    socket.connection.close()
    await peer.call('ended', remote)
  }
  const [here, there] = [await socket.closed(), await peer.call('closed', remote)]
  if (here !== '' || there !== '') throw new Error(`the connection did not end in order: TAS ${here || 'did'}, peer ${there || 'did'}`)
}

/** All exchanges on one connection, and its end. */
export async function exchangeAll(ends: Ends, pair: Pair, role: Role, seed: number): Promise<void> {
  const random = new Random(seed)
  await requests(ends, pair, role, random)
  const fromPeer = random.u32()
  await Promise.all([bulkToTas(ends, pair, BULK_BYTES, fromPeer), bulkToPeer(ends, pair, BULK_BYTES, random)])
  await halfClose(ends, pair, role, random)
}
