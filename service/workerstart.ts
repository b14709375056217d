/**
 * What a fast-path worker gets when it is started: descriptors at fixed numbers, and one JSON
 * argument (`process.argv[2]`).
 *
 *   0, 1, 2   /dev/null, then the service's stdout and stderr
 *   3         state region, writable                (WorkerStart.stateBytes)
 *   4         counters object, writable             (WorkerStart.countersBytes)
 *   5         doorbell page, writable               (DOORBELL_PAGE_BYTES)
 *   6         this worker's eventfd                 (its mark: doorbellWord(worker))
 *   7         the slow path's eventfd               (its mark: DOORBELL_SLOW)
 *   8         this worker's control socket          (lib/memif/control.ts)
 *   9         this worker's port                    (WorkerStart.port says which kind)
 *   10        trace region, writable                (traceRegionBytes(workers); its ring: 1 + worker)
 *
 * The worker sends `{ op: 'ready' }` over its control socket once it can take packets. When the control socket ends, the
 * service is gone and the worker exits. TO_FAST_STOP in its ring or SIGTERM makes it leave with 0. SIGINT
 * is to be ignored: a terminal sends it to the whole group, and stopping in order is the service's affair.
 *
 * A worker may be started on a state region that an earlier one has used (`restart`): it rebuilds its own lists from it.
 * The first `known` messages on its control socket are then applications and contexts that exist already, whose
 * ring messages the earlier worker may have taken: read them before saying ready. Messages of control socket and ring
 * belong together by app and context id, not by order: a ring message whose descriptor is known already, or did not come
 * once the control socket is read dry, asks for nothing more. An application that is not known is as good as removed:
 * TO_FAST_APP_REMOVE is answered, and frames of its flows are dropped.
 */
import { CONTROL_MESSAGE_MAX, WORKERS_MAX } from '../lib/memif/index.js'

/** V8's inlining budget in a worker: the step's small functions become one (docs/decisions/0007). */
export const WORKER_V8_OPTIONS = ['--max-inlined-bytecode-size=2000', '--max-inlined-bytecode-size-cumulative=6000']

/** Descriptor numbers in the worker. */
export const WORKER_FD_STATE = 3
export const WORKER_FD_COUNTERS = 4
export const WORKER_FD_DOORBELL = 5
export const WORKER_FD_WAKE = 6
export const WORKER_FD_SLOW_WAKE = 7
export const WORKER_FD_CONTROL = 8
export const WORKER_FD_PORT = 9
export const WORKER_FD_TRACE = 10
/** AF_PACKET only. */
export const WORKER_FD_PORT_SEND = 11

/** The port that waits at WORKER_FD_PORT. */
export interface WorkerPort {
  /** 'af_packet': PacketPort.attach; 'tap': TapPort.attach. */
  readonly kind: 'af_packet' | 'tap'
  /** Name of the network interface or TAP device. */
  readonly interface: string
  /** Checksum and segmentation offload may be used (not --fp-no-xsumoffload). */
  readonly offload: boolean
  /** VLAN that TAS is in (--vlan), 0 for none. */
  readonly vlan: number
}

/** The JSON argument of a worker. */
export interface WorkerStart {
  /** Number of this worker, 0 to workers - 1. */
  readonly worker: number
  /** How many workers there are. */
  readonly workers: number
  /** Whether an earlier worker of this number has used the state region. */
  readonly restart: boolean
  /** Control messages about applications that exist already. */
  readonly known: number
  readonly stateBytes: number
  /** No huge pages for the state region (--fp-no-hugepages). */
  readonly noHugePages: boolean
  readonly countersBytes: number
  readonly port: WorkerPort
  /** Our MAC address as 12 hexadecimal digits. */
  readonly localMac: string
  /** Largest IP packet in bytes. */
  readonly mtu: number
  /** Shape of application regions, with the messages' `regionBytes` (lib/memif/appregion.ts). */
  readonly kinBytes: number
  readonly koutBytes: number
  readonly fastEntries: number
  /** Longest spin before the worker blocks, in microseconds (--fp-poll-interval-tas); ignored when `block` is false. */
  readonly pollIntervalUs: number
  /** Whether the worker may block when there is nothing to do (not --fp-no-ints). */
  readonly block: boolean
  /** How many workers are used follows the load (not --fp-no-autoscale, and there are several). */
  readonly autoscale: boolean
  /** Handle frames with an 802.1Q tag as if they had none (--fp-vlan-strip). */
  readonly vlanStrip: boolean
  /** CPU to be pinned to, or -1 for none. */
  readonly cpu: number
}

/** What the worker sends when it is ready to take packets. */
export interface WorkerReady { readonly op: 'ready' }

/** Encodes the argument of a worker. */
export function encodeWorkerStart(start: WorkerStart): string {
  return JSON.stringify(start)
}

/** Encodes the message that a worker sends over WORKER_FD_CONTROL when it is ready. */
export function encodeWorkerReady(): Uint8Array {
  const message: WorkerReady = { op: 'ready' }
  return new TextEncoder().encode(JSON.stringify(message))
}

/** Buffer long enough for every message on a worker's control socket. */
export const WORKER_MESSAGE_MAX = CONTROL_MESSAGE_MAX

/** Reads one field after another, with the field's name in every complaint. */
class FieldReader {
  private readonly fields: Readonly<Record<string, unknown>>

  constructor(value: unknown, what: string) {
    if (typeof value !== 'object' || value === null) throw new Error(`worker argument: ${what} is no object`)
    this.fields = { ...value }
  }

  raw(name: string): unknown {
    return this.fields[name]
  }

  integer(name: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
    const value = this.fields[name]
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most) {
      throw new Error(`worker argument: ${name} is ${String(value)}, want an integer from ${least} to ${most}`)
    }
    return value
  }

  text(name: string, pattern: RegExp): string {
    const value = this.fields[name]
    if (typeof value !== 'string' || !pattern.test(value)) {
      throw new Error(`worker argument: ${name} is ${String(value)}, want text like ${String(pattern)}`)
    }
    return value
  }

  flag(name: string): boolean {
    const value = this.fields[name]
    if (typeof value !== 'boolean') throw new Error(`worker argument: ${name} is ${String(value)}, want true or false`)
    return value
  }
}

function decodePort(value: unknown): WorkerPort {
  const port = new FieldReader(value, 'port')
  return {
    kind: port.text('kind', /^(?:af_packet|tap)$/) === 'tap' ? 'tap' : 'af_packet',
    interface: port.text('interface', /^[^/\s]{1,15}$/),
    offload: port.flag('offload'),
    vlan: port.integer('vlan', 0, 4094),
  }
}

/** Decodes and checks the argument of a worker. Throws Error that names the bad field. */
export function decodeWorkerStart(text: string): WorkerStart {
  const fields = new FieldReader(JSON.parse(text), 'the whole')
  const workers = fields.integer('workers', 1, WORKERS_MAX)
  return {
    workers,
    worker: fields.integer('worker', 0, workers - 1),
    restart: fields.flag('restart'),
    known: fields.integer('known', 0),
    stateBytes: fields.integer('stateBytes', 4096),
    noHugePages: fields.flag('noHugePages'),
    countersBytes: fields.integer('countersBytes', 8),
    port: decodePort(fields.raw('port')),
    localMac: fields.text('localMac', /^[0-9a-f]{12}$/),
    mtu: fields.integer('mtu', 68, 65535),
    kinBytes: fields.integer('kinBytes', 64),
    koutBytes: fields.integer('koutBytes', 64),
    fastEntries: fields.integer('fastEntries', 1),
    pollIntervalUs: fields.integer('pollIntervalUs', 0),
    block: fields.flag('block'),
    autoscale: fields.flag('autoscale'),
    vlanStrip: fields.flag('vlanStrip'),
    cpu: fields.integer('cpu', -1),
  }
}
