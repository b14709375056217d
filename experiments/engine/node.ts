/** A whole TAS host on a fabric: slow path, worker, and one program. It is stepped only when frames have come or a deadline has. */
import type { CongestionConfig, TcpConfig } from '../../service/slow/config.js'
import { DEFAULT_CONGESTION, DEFAULT_TCP } from '../../service/slow/config.js'
import type { Timer } from '../../service/slow/timers.js'
import { SimHost } from '../../test/sim/host.js'
import { type Fabric, macOf } from './fabric.js'
import { FlowProgram, type Ledger } from './flowprogram.js'
import type { Receiver } from './outputport.js'
import type { Actor } from './timeline.js'

export interface NodeOptions {
  readonly ip: number
  /** Flows at once; a power of two. */
  readonly flows: number
  /** Receive and transmit buffer of each flow; powers of two. */
  readonly bufBytes: number
  readonly cc?: Partial<CongestionConfig>
  readonly tcp?: Partial<TcpConfig>
}

/** Steps at one moment before a host counts as not coming to rest. */
const STEPS_MAX = 100_000
/** Hosts of one fabric have addresses 10.x.y.z. */
const PREFIX = 8
/** What a region holds beside buffers: rings of all contexts that there can be. Pages that nobody touches cost nothing. */
const RINGS_BYTES = 1 << 24
/** Buffers take at most a quarter of the region, so that their sizes are as configured (service/slow/buffersize.ts). */
const REGION_SHARE = 4
const TIME_WAIT_US = 1_000
const RING_ENTRIES = 1024

function regionBytes({ flows, bufBytes }: NodeOptions): number {
  return RINGS_BYTES + flows * bufBytes * 2 * REGION_SHARE
}

export class Node implements Actor, Receiver {
  readonly ip: number
  readonly host: SimHost
  readonly program: FlowProgram
  private readonly fabric: Fabric
  private readonly turn: Timer

  constructor(fabric: Fabric, options: NodeOptions, ledger: Ledger) {
    const { ip, flows, bufBytes } = options
    this.fabric = fabric
    this.ip = ip
    this.host = new SimHost(fabric, {
      ip, mac: macOf(ip), flows, regionBytes: regionBytes(options), fastEntries: RING_ENTRIES, controlBytes: RING_ENTRIES * 64,
      state: { toSlowEntries: RING_ENTRIES, toFastEntries: RING_ENTRIES },
      config: {
        addresses: [{ ip, prefix: PREFIX }],
        tcp: {
          ...DEFAULT_TCP, rxBufLen: bufBytes, txBufLen: bufBytes, rxBufMax: bufBytes, txBufMax: bufBytes, timeWaitUs: TIME_WAIT_US,
          ...options.tcp,
        },
        cc: { ...DEFAULT_CONGESTION, ...options.cc },
      },
    })
    this.program = new FlowProgram(this.host.connectApp('flows').tas.createContext(), fabric, ip, ledger, () => this.wake())
    this.turn = fabric.timeline.add(this)
    this.wake()
  }

  /** There is something to do now. */
  wake(): void {
    const { timeline } = this.fabric
    timeline.hasten(this.turn, Math.ceil(timeline.nowUs))
  }

  receive(frame: Uint8Array): void {
    this.host.receive(frame)
    this.wake()
  }

  act(nowUs: number): void {
    this.settle(nowUs)
    const deadlineUs = Math.ceil(this.host.nextDeadlineUs())
    this.fabric.timeline.hasten(this.turn, Math.max(deadlineUs, nowUs + 1))
  }

  /** Works until there is nothing to do, as processes would before they block. */
  private settle(nowUs: number): void {
    for (let steps = 0; steps < STEPS_MAX; steps++) {
      if (this.host.step(nowUs) + this.program.step() > 0) continue
      if (this.host.beforeSleep(nowUs) === 0) return
    }
    throw new Error(`host ${this.ip} does not come to rest at ${nowUs} us`)
  }
}
