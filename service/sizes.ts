/** Sizes of shared regions: what options leave open, in one place. */
import { type AppRegionShape, type StateRegionShape } from '../lib/memif/index.js'

/** Connections at once, of all applications together; a power of two. Each costs 144 bytes of state when used. */
const FLOWS = 65_536
/** Bytes of each packet area between slow path and worker; room for 64 super-segments. */
const PACKET_AREA_BYTES = 4 * 1024 ** 2
/** Entries of each ring between a context and a worker; a power of two. A full ring delays events but loses none. */
const FAST_ENTRIES = 4096

/** The options that shape application regions. */
export interface AppRegionOptions {
  readonly shmLen: number
  readonly appKinLen: number
  readonly appKoutLen: number
}

/** Shape of every application's region when there are `workers` workers. */
export function appRegionShape(options: AppRegionOptions, workers: number): AppRegionShape {
  return {
    regionBytes: options.shmLen - (options.shmLen % 4096),
    workers,
    kinBytes: options.appKinLen,
    koutBytes: options.appKoutLen,
    fastEntries: FAST_ENTRIES,
  }
}

/** The options that shape the state region. */
export interface StateRegionOptions {
  /** Entries, powers of two. */
  readonly nicRxLen: number
  readonly nicTxLen: number
}

/** Shape of the state region for `workers` workers. */
export function stateRegionShape(options: StateRegionOptions, workers: number): StateRegionShape {
  return {
    workers,
    flows: FLOWS,
    toSlowEntries: options.nicRxLen,
    toFastEntries: options.nicTxLen,
    packetAreaBytes: PACKET_AREA_BYTES,
  }
}
