/** A stack of lib/embedded over a port in memory. */
import { COUNTERS_BYTES, placeState, StateView, writeStateHeader } from '../../lib/memif/index.js'
import { EmbeddedLink } from '../../lib/embedded/link.js'
import type { LoopDriver } from '../../lib/embedded/loop.js'
import { Stack, type StackParts } from '../../lib/embedded/stack.js'
import { Tas } from '../../lib/tas/index.js'
import { LoopPort, MemoryPort, Regions, type RegionTable } from '../../native/index.js'
import { DEFAULT_ARP, DEFAULT_CONGESTION, DEFAULT_TCP, type SlowConfig } from '../../service/slow/config.js'

const REGION_BYTES = 1 << 23
const RING_BYTES = 4096
const FAST_ENTRIES = 64
const FLOWS = 64
const POLL_INTERVAL_US = 50
const silent = (): void => undefined

/** Memory by number for a port in TypeScript, and for the loop port, whose copies are native. */
class BothRegions implements RegionTable {
  readonly native = new Regions()
  private readonly held = new Map<number, Uint8Array>()

  add(index: number, memory: ArrayBufferLike): void {
    this.native.add(index, memory)
    this.held.set(index, new Uint8Array(memory))
  }

  remove(index: number): void {
    this.native.remove(index)
    this.held.delete(index)
  }

  get(index: number): Uint8Array {
    return this.held.get(index) ?? new Uint8Array(0)
  }
}

function configOf(ip: number, bufLen: number): SlowConfig {
  return {
    addresses: [{ ip, prefix: 24 }], routes: [], kni: false,
    tcp: { ...DEFAULT_TCP, rxBufLen: bufLen, txBufLen: bufLen }, arp: DEFAULT_ARP, cc: DEFAULT_CONGESTION,
    appRegionBytes: REGION_BYTES, kinBytes: RING_BYTES, koutBytes: RING_BYTES, fastEntries: FAST_ENTRIES, appPollIntervalUs: POLL_INTERVAL_US,
  }
}

function newState(regions: RegionTable): StateView {
  const shape = { workers: 1, flows: FLOWS, toSlowEntries: 256, toFastEntries: 256, packetAreaBytes: 1 << 18 }
  const memory = new SharedArrayBuffer(placeState(shape).totalBytes)
  writeStateHeader(new Int32Array(memory), shape)
  regions.add(0, memory)
  return new StateView(memory)
}

/** What differs between the stacks of tests. */
export interface MemoryStackOptions extends Pick<StackParts, 'mac' | 'random' | 'secret' | 'clock' | 'nowUs' | 'yieldCpu' | 'block'> {
  readonly ip: number
  readonly bufLen: number
  onTransmit(frame: Uint8Array): void
}

export interface MemoryStack {
  readonly stack: Stack
  readonly port: MemoryPort
  readonly counters: Float64Array
  /** The library on the stack, which is to be done once; `closed` as the link has it. */
  connect(driver: LoopDriver | null, closed: () => void): Tas
}

export function memoryStack(options: MemoryStackOptions): MemoryStack {
  const { ip, bufLen, onTransmit, ...given } = options
  const regions = new BothRegions()
  const counters = new Float64Array(COUNTERS_BYTES / 8)
  const port = new MemoryPort({ burst: 16, offload: false, memory: (region) => regions.get(region), onTransmit })
  let end = silent
  const stack = new Stack({
    appEnded: () => end(), ...given, state: newState(regions), port, regions, loop: new LoopPort({ beside: port, regions: regions.native }), counters,
    config: configOf(ip, bufLen), vlanStrip: false, log: { debug: silent, info: silent, warn: silent, error: silent },
  })
  return {
    stack, port, counters,
    connect(driver, closed) {
      const region = new SharedArrayBuffer(REGION_BYTES)
      const app = stack.slow.apps.addApp({ buffer: region, fd: -1 }, { name: 'program', pid: 1, uid: 0 })
      const link = new EmbeddedLink({ stack, driver, region, app, networks: { addresses: [{ ip, prefix: 24 }], routes: [] }, closed })
      end = () => link.end()
      return Tas.attach(link)
    },
  }
}
