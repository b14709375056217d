/** A switch: looks up where the destination is and, where several ports lead there, chooses by the hash of the flow (ECMP, RFC 2992). */
import { readU16, readWord } from '../../lib/wire/index.js'
import type { OutputPort, Receiver } from './outputport.js'

const IP_SOURCE = 26
const IP_TARGET = 30
const TCP_PORTS = 34

/** The ports of equal cost that lead to the host with address `ip`; at least one. */
export type Routing = (ip: number) => readonly OutputPort[]

/** A hash of addresses and ports of a frame with TCP over IPv4, unsigned; `salt` makes switches choose independently of each other. */
export function flowHash(frame: Uint8Array, salt: number): number {
  const words = [readWord(frame, IP_SOURCE), readWord(frame, IP_TARGET), readU16(frame, TCP_PORTS), readU16(frame, TCP_PORTS + 2)]
  let hash = salt | 0
  for (const word of words) {
    hash = Math.imul(hash ^ word, 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    hash ^= hash >>> 16
  }
  return hash >>> 0
}

export class Switch implements Receiver {
  private readonly routing: Routing
  private readonly salt: number

  constructor(routing: Routing, salt: number) {
    this.routing = routing
    this.salt = salt
  }

  receive(frame: Uint8Array, nowUs: number): void {
    const ports = this.routing(readWord(frame, IP_TARGET))
    const choice = ports.length === 1 ? 0 : flowHash(frame, this.salt) % ports.length
    ports[choice].offer(frame, nowUs)
  }
}
