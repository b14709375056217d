/** The parts of the slow path, as they know each other. */
import type { StateView, TraceWriter } from '../../lib/memif/index.js'
import type { SourceRoute, TcpParsed } from '../../lib/wire/index.js'
import type { ArpCache } from './arp.js'
import type { ChallengeLimit } from './challengelimit.js'
import type { Changeover } from './changeover.js'
import type { SlowConfig } from './config.js'
import type { Algorithms } from './congestion/algorithms.js'
import type { ConnectionTable } from './connections.js'
import type { FlowTable } from './flows.js'
import type { Reassembly } from './fragments.js'
import type { HostKernelGate } from './hostkernel.js'
import type { FourTuple, TupleHash } from './isn.js'
import type { Listeners } from './listeners.js'
import type { Logger, RateLimit } from './log.js'
import type { LoopbackQueue } from './loopback.js'
import type { Output } from './output.js'
import type { PathMtuCache } from './pathmtucache.js'
import type { EphemeralPorts } from './ports.js'
import type { AppRegistry } from './registry.js'
import type { ReplyLimit } from './replylimit.js'
import type { Routes } from './routes.js'
import type { Stats } from './stats.js'
import type { Steering } from './steering.js'
import type { SynCookies } from './syncookies.js'
import type { Timers } from './timers.js'
import type { AppRegion, WorkerChannel } from './workers.js'

export interface Stack {
  readonly config: SlowConfig
  readonly state: StateView
  readonly stats: Stats
  readonly log: Logger
  readonly trace: TraceWriter
  readonly timers: Timers
  readonly routes: Routes
  readonly arp: ArpCache
  readonly output: Output
  readonly loopback: LoopbackQueue
  readonly workers: readonly WorkerChannel[]
  readonly steering: Steering
  readonly changeover: Changeover
  readonly hash: TupleHash
  readonly ports: EphemeralPorts
  readonly flows: FlowTable
  readonly connections: ConnectionTable
  readonly listeners: Listeners
  readonly apps: AppRegistry
  readonly algorithms: Algorithms
  readonly hostKernel: HostKernelGate
  /** Resets that strangers can cause. */
  readonly replyLimit: ReplyLimit
  readonly challengeLimit: ChallengeLimit
  readonly cookies: SynCookies
  readonly reassembly: Reassembly
  readonly pathMtus: PathMtuCache
  /** ICMP errors that are acted on. */
  readonly icmpLimit: RateLimit
  /** Complaints about applications. */
  readonly complaintLimit: RateLimit
  /** Gives pages of an application's region back to the machine: those of `lenBytes` bytes from `fromByte` on. Null if there is no way. */
  readonly discard: ((region: AppRegion, fromByte: number, lenBytes: number) => void) | null
  /** Time of the poll under way, microseconds. */
  nowUs: number
}

/** A frame that came up from a worker, or from the slow path's own loop. Its bytes are gone after the poll. */
export interface Frame {
  readonly bytes: Uint8Array
  /** RX_* bits of the port. */
  readonly rxFlags: number
  readonly gso: number
  /** Flow and generation that a worker knew it by, or -1. */
  readonly flow: number
  readonly gen: number
}

/** A TCP segment for one of our addresses, checksum verified. */
export interface Segment extends FourTuple {
  readonly frame: Frame
  readonly tcp: TcpParsed
  /** The way back, if it came by a source route. */
  readonly wayBack: SourceRoute | null
}
