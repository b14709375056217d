/**
 * How much each group of flows gives its worker to do: told from what its connections have sent and received between two looks at their TCBs,
 * so that workers count nothing for it.
 */
import { FLOW_GROUPS, flowGroup, TCB_RCV_NXT, TCB_SND_MAX } from '../../lib/memif/index.js'
import { seqDiff } from '../../lib/wire/index.js'
import type { Connection } from './connection.js'
import type { Stack } from './stack.js'

/**
 * What counts as one packet: a request or answer of up to so many bytes. A full segment costs about as much as three small ones; many small ones
 * between two looks at one connection are taken for fewer, longer ones, so the looks are to be a few milliseconds apart.
 */
const UNIT_BYTES = 512
/** Connections that are looked at, so that it takes no more than a millisecond or two; of more than that these stand for all. */
const CONNECTIONS_MAX = 8192

/** One connection at the first look. */
interface Before {
  readonly connection: Connection
  readonly gen: number
  readonly sent: number
  readonly received: number
}

export class GroupLoads {
  private readonly stack: () => Pick<Stack, 'connections' | 'flows'>
  private before: Before[] = []

  constructor(stack: () => Pick<Stack, 'connections' | 'flows'>) {
    this.stack = stack
  }

  /** The first look, at the connections of `worker`. */
  begin(worker: number): void {
    const { connections, flows } = this.stack()
    this.before = []
    for (const connection of connections.each()) {
      if (connection.phase !== 'worker' || connection.worker !== worker) continue
      const [sent, received] = [flows.word(connection, TCB_SND_MAX), flows.word(connection, TCB_RCV_NXT)]
      this.before.push({ connection, gen: connection.gen, sent, received })
      if (this.before.length === CONNECTIONS_MAX) return
    }
  }

  /** The second look: packets of each group since the first, those sent and those received. */
  end(): Float64Array {
    const { flows } = this.stack()
    const loads = new Float64Array(FLOW_GROUPS)
    for (const { connection, gen, sent, received } of this.before) {
      if (connection.phase !== 'worker' || connection.gen !== gen) continue
      const { localIp, localPort, remoteIp, remotePort } = connection
      const moved = packets(sent, flows.word(connection, TCB_SND_MAX)) + packets(received, flows.word(connection, TCB_RCV_NXT))
      loads[flowGroup(localIp, localPort, remoteIp, remotePort)] += moved
    }
    this.before = []
    return loads
  }
}

function packets(from: number, to: number): number {
  return Math.ceil(Math.max(0, seqDiff(to, from)) / UNIT_BYTES)
}
