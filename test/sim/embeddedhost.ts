/** An embedded TAS on a simulated network: the stack and the link of lib/embedded over a port in memory, under virtual time. */
import {
  COUNTERS_BYTES, placeState, slowCounter, StateView, writeStateHeader, type SlowCounter,
} from '../../lib/memif/index.js'
import { EmbeddedLink } from '../../lib/embedded/link.js'
import { Stack } from '../../lib/embedded/stack.js'
import { Tas } from '../../lib/tas/index.js'
import { isGroupMac, sameMac } from '../../lib/wire/index.js'
import { LoopPort, MemoryPort, Regions, type RegionTable } from '../../native/index.js'
import { DEFAULT_ARP, DEFAULT_CONGESTION, DEFAULT_TCP, type SlowConfig } from '../../service/slow/config.js'
import type { NetworkHost, SimNetwork } from './network.js'

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

/** The two forms of a clock that is set. */
class SetClock {
  nowUs: number

  constructor(nowUs: number) {
    this.nowUs = nowUs
  }

  tick(): void {}

  get us32(): number {
    return this.nowUs | 0
  }

  get ms32(): number {
    return (this.nowUs / 1000) | 0
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

export class EmbeddedHost implements NetworkHost {
  readonly tas: Tas
  readonly stack: Stack
  /** Runs after each step of the stack: the program. */
  program: () => number = () => 0
  /** What `block` does: the network has to go on, which only the test can have it do. */
  onBlock: (timeoutUs: number) => boolean = () => { throw new Error('the stack blocks in a test that did not expect it') }
  /** Times that the stack blocked. */
  blocks = 0
  /** `closed` was called. */
  isClosed = false
  private readonly net: SimNetwork
  private readonly clock: SetClock
  private readonly counters = new Float64Array(COUNTERS_BYTES / 8)
  private readonly port: MemoryPort
  private readonly mac: Uint8Array

  constructor(net: SimNetwork, ip: number, bufLen = 1 << 13) {
    this.net = net
    this.clock = new SetClock(net.nowUs)
    this.mac = Uint8Array.of(2, 0, 0, 0, 0, ip & 0xff)
    const regions = new BothRegions()
    this.port = new MemoryPort({
      burst: 16, offload: false, memory: (region) => regions.get(region), onTransmit: (frame) => net.send(this, frame),
    })
    this.stack = new Stack({
      state: newState(regions), port: this.port, regions, loop: new LoopPort({ beside: this.port, regions: regions.native }),
      counters: this.counters, mac: this.mac, config: configOf(ip, bufLen), vlanStrip: false,
      log: { debug: silent, info: silent, warn: silent, error: silent },
      random: { u32: () => net.random.u32() }, secret: net.random.bytes(16),
      clock: this.clock, nowUs: () => this.clock.nowUs, yieldCpu: () => {
        this.passTime(1)
        return 1
      },
      block: (timeoutUs) => {
        this.blocks++
        return this.onBlock(timeoutUs)
      },
    })
    const region = new SharedArrayBuffer(REGION_BYTES)
    const app = this.stack.slow.apps.addApp({ buffer: region, fd: -1 }, 'program', 1)
    this.tas = Tas.attach(new EmbeddedLink({ stack: this.stack, driver: null, region, app, closed: () => { this.isClosed = true } }))
    net.join(this)
  }

  /** Time passes, and nobody on the network gets a step. */
  passTime(us: number): void {
    this.net.nowUs += us
    this.clock.nowUs = this.net.nowUs
  }

  receive(frame: Uint8Array): void {
    if (isGroupMac(frame) || sameMac(frame, this.mac)) this.port.inject(frame)
  }

  step(nowUs: number): number {
    this.clock.nowUs = nowUs
    return this.isClosed ? 0 : this.stack.advance() + this.program()
  }

  beforeSleep(nowUs: number): number {
    if (this.isClosed) return 0
    const before = this.net.framesSent
    this.clock.nowUs = nowUs
    this.stack.flushDelayedAcks()
    return this.net.framesSent - before + (this.stack.hasWork() ? 1 : 0)
  }

  nextDeadlineUs(): number {
    if (this.isClosed) return Infinity
    const waitUs = this.stack.waitUs()
    return waitUs < 0 ? Infinity : this.clock.nowUs + waitUs
  }

  slowCount(name: SlowCounter): number {
    return this.counters[slowCounter(name)]
  }
}
