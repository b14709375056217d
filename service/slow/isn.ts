/** Keyed hashes over a connection's addresses, and initial sequence numbers made of them (RFC 6528). */
import { writeU16, writeWord } from '../../lib/wire/index.js'
import { siphash } from './siphash.js'

/** The four numbers that name a connection. Addresses are signed words. */
export interface FourTuple {
  readonly localIp: number
  readonly localPort: number
  readonly remoteIp: number
  readonly remotePort: number
}

export class TupleHash {
  private readonly secret: Uint8Array
  private readonly message = new Uint8Array(13)

  /** `secret` is 16 random bytes that never leave the service. */
  constructor(secret: Uint8Array) {
    if (secret.length !== 16) throw new RangeError(`secret of ${secret.length} bytes: 16 are needed`)
    this.secret = secret.slice()
  }

  /** Hash of a connection's addresses; `purpose` (0 to 255) keeps uses apart from each other. */
  hash(tuple: FourTuple, purpose: number): number {
    writeWord(this.message, 0, tuple.localIp)
    writeWord(this.message, 4, tuple.remoteIp)
    writeU16(this.message, 8, tuple.localPort)
    writeU16(this.message, 10, tuple.remotePort)
    this.message[12] = purpose
    return siphash(this.secret, this.message)[0]
  }

  /** Initial sequence number: a clock of 4 us plus the keyed hash (RFC 6528, 3). */
  initialSequence(tuple: FourTuple, nowUs: number): number {
    return (Math.floor(nowUs / 4) + this.hash(tuple, HASH_ISN)) | 0
  }
}

/** Purposes of TupleHash.hash. */
export const HASH_ISN = 0
export const HASH_PORT_OFFSET = 1
export const HASH_PORT_TABLE = 2
export const HASH_SPREAD = 3
export const HASH_TABLE = 4
