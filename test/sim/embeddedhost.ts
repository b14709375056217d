/** An embedded TAS on a simulated network: the stack and the link of lib/embedded over a port in memory, under virtual time. */
import { placeContext, readAppRegionHeader, slowCounter, type SlowCounter } from '../../lib/memif/index.js'
import type { Stack } from '../../lib/embedded/stack.js'
import type { Tas } from '../../lib/tas/index.js'
import { isGroupMac, sameMac } from '../../lib/wire/index.js'
import { memoryStack, type MemoryStack } from '../embedded/memorystack.js'
import type { NetworkHost, SimNetwork } from './network.js'

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

export class EmbeddedHost implements NetworkHost {
  readonly tas: Tas
  /** Runs after each step of the stack: the program. */
  program: () => number = () => 0
  /** What `block` does: the network has to go on, which only the test can have it do. */
  onBlock: (timeoutUs: number) => boolean = () => { throw new Error('the stack blocks in a test that did not expect it') }
  /** Times that the stack blocked. */
  blocks = 0
  /** Everything was taken back. */
  isClosed = false
  private readonly net: SimNetwork
  private readonly clock: SetClock
  private readonly parts: MemoryStack
  private readonly mac: Uint8Array

  constructor(net: SimNetwork, ip: number, bufLen = 1 << 13) {
    this.net = net
    this.clock = new SetClock(net.nowUs)
    this.mac = Uint8Array.of(2, 0, 0, 0, 0, ip & 0xff)
    this.parts = memoryStack({
      ip, bufLen, mac: this.mac, random: { u32: () => net.random.u32() }, secret: net.random.bytes(16),
      onTransmit: (frame) => net.send(this, frame), clock: this.clock, nowUs: () => this.clock.nowUs,
      yieldCpu: () => {
        this.passTime(1)
        return 1
      },
      block: (timeoutUs) => {
        this.blocks++
        return this.onBlock(timeoutUs)
      },
    })
    this.tas = this.parts.connect(null, () => { this.isClosed = true })
    net.join(this)
  }

  private get stack(): Stack {
    return this.parts.stack
  }

  /** Time passes, and nobody on the network gets a step. */
  passTime(us: number): void {
    this.net.nowUs += us
    this.clock.nowUs = this.net.nowUs
  }

  receive(frame: Uint8Array): void {
    if (isGroupMac(frame) || sameMac(frame, this.mac)) this.parts.port.inject(frame)
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

  /** As a program that writes over its own memory: more requests than the ring of `context` holds, and a ring for the slow path. */
  damageRequests(context: number): void {
    const { words, slow } = this.tas.link
    const { kout } = placeContext(readAppRegionHeader(words), context)
    Atomics.add(words, kout.firstWord, 2 * kout.capacity)
    slow.wake()
  }

  slowCount(name: SlowCounter): number {
    return this.parts.counters[slowCounter(name)]
  }
}
