/** Connections between TAS and a Linux peer, from both ends. Everything that goes wrong is an Error. */
import { PEER_ADDRESS, TAS_ADDRESS } from '../../tools/netlab/index.js'
import type { Peer } from './peer.js'
import type { TasSide, TasSocket } from './tasside.js'

export interface Ends {
  readonly tas: TasSide
  readonly peer: Peer
}

/** A connection from both ends. */
export interface Pair {
  readonly socket: TasSocket
  /** The peer's socket. */
  readonly remote: number
}

let nextPort = 6000

/** Linux opens a connection to TAS. */
export async function openFromLinux({ tas, peer }: Ends): Promise<Pair> {
  const port = nextPort++
  const listener = await tas.listen(port)
  const remote = await peer.call('connect', TAS_ADDRESS, port)
  const socket = await tas.accept(listener)
  listener.close()
  return { socket, remote }
}

/** TAS opens a connection to Linux. */
export async function openFromTas({ tas, peer }: Ends): Promise<Pair> {
  const port = await peer.call('listen', 0)
  const socket = await tas.connect(PEER_ADDRESS, port)
  if (socket.closedCode !== null) throw new Error(`connect: ${socket.closedCode}`)
  return { socket, remote: await peer.call('accept', port) }
}
