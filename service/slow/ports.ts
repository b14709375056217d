/** Ephemeral ports by double hashing: RFC 6056, 3.3.4 (algorithm 4). */
import { HASH_PORT_OFFSET, HASH_PORT_TABLE, type TupleHash } from './isn.js'

/** Ports handed out; below them stand most services. */
export const EPHEMERAL_MIN = 10_240
export const EPHEMERAL_MAX = 65_535

const COUNT = EPHEMERAL_MAX - EPHEMERAL_MIN + 1
const TABLE_SIZE = 256

export class EphemeralPorts {
  private readonly hash: TupleHash
  private readonly table = new Uint16Array(TABLE_SIZE)

  /** `random` gives unpredictable 32-bit numbers. */
  constructor(hash: TupleHash, random: { u32(): number }) {
    this.hash = hash
    for (let i = 0; i < TABLE_SIZE; i++) this.table[i] = random.u32()
  }

  /** A port for a connection between these addresses for which `isFree` holds, or -1 if there is none. */
  choose(localIp: number, remoteIp: number, remotePort: number, isFree: (port: number) => boolean): number {
    const destination = { localIp, localPort: 0, remoteIp, remotePort }
    const offset = this.hash.hash(destination, HASH_PORT_OFFSET) >>> 0
    const index = (this.hash.hash(destination, HASH_PORT_TABLE) >>> 0) % TABLE_SIZE
    for (let tries = 0; tries < COUNT; tries++) {
      const port = EPHEMERAL_MIN + ((offset + this.table[index]++) % COUNT)
      if (isFree(port)) return port
    }
    return -1
  }
}
