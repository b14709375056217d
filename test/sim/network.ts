/** Hosts joined by one faulty link, in one thread under virtual time. Everything follows from the seed. */
import { SeededRandom } from './random.js'
import type { SimHost } from './host.js'

/** What the link does to frames; probabilities from 0 to 1. */
export interface LinkFaults {
  readonly loss: number
  readonly duplicate: number
  /** Probability that a frame is held back by up to `reorderUs`. */
  readonly reorder: number
  readonly reorderUs: number
  /** Probability that one bit of an IP packet is changed. ARP has no checksum of its own; the Ethernet FCS would catch it. */
  readonly corrupt: number
  readonly delayUs: number
}

export const GOOD_LINK: LinkFaults = { loss: 0, duplicate: 0, reorder: 0, reorderUs: 0, corrupt: 0, delayUs: 20 }

const ETHERNET_BYTES = 14

interface Arrival {
  readonly atUs: number
  readonly order: number
  readonly frame: Uint8Array
  readonly from: SimHost
}

export class SimNetwork {
  nowUs = 1_000_000
  readonly random: SeededRandom
  /** May be changed while the simulation runs. */
  faults: LinkFaults
  /** Frames put on the link. */
  framesSent = 0
  private readonly hosts: SimHost[] = []
  private arrivals: Arrival[] = []

  constructor(seed: number, faults: LinkFaults = GOOD_LINK) {
    this.random = new SeededRandom(seed)
    this.faults = faults
  }

  join(host: SimHost): void {
    this.hosts.push(host)
  }

  /** A host puts a frame on the link. */
  send(from: SimHost, frame: Uint8Array): void {
    const { random, faults } = this
    this.framesSent++
    if (random.chance(faults.loss)) return
    const copies = random.chance(faults.duplicate) ? 2 : 1
    for (let i = 0; i < copies; i++) this.schedule(from, frame.slice())
  }

  private schedule(from: SimHost, frame: Uint8Array): void {
    const { random, faults } = this
    const late = random.chance(faults.reorder) ? random.below(faults.reorderUs + 1) : 0
    const isIp = frame[12] === 0x08 && frame[13] === 0x00
    if (isIp && random.chance(faults.corrupt)) frame[ETHERNET_BYTES + random.below(frame.length - ETHERNET_BYTES)] ^= 1 << random.below(8)
    this.arrivals.push({ atUs: this.nowUs + faults.delayUs + late, order: this.framesSent, frame, from })
  }

  /** Runs until `done` or until `limitUs` more microseconds have passed. Returns whether it was done. */
  run(done: () => boolean, limitUs: number): boolean {
    const endUs = this.nowUs + limitUs
    while (this.nowUs <= endUs) {
      this.settle()
      if (done()) return true
      const nextUs = this.nextEventUs()
      if (nextUs === Infinity) return done()
      this.nowUs = Math.max(this.nowUs + 1, Math.ceil(nextUs))
      this.deliver()
    }
    return done()
  }

  /** Lets all hosts work until none has anything to do, as processes would before they block. */
  private settle(): void {
    for (let round = 0; round < 100_000; round++) {
      let work = 0
      for (const host of this.hosts) work += host.step(this.nowUs)
      if (work > 0) continue
      for (const host of this.hosts) work += host.beforeSleep(this.nowUs)
      if (work === 0) return
    }
    throw new Error(`hosts do not come to rest at ${this.nowUs} us`)
  }

  private nextEventUs(): number {
    let next = Infinity
    for (const host of this.hosts) next = Math.min(next, host.nextDeadlineUs())
    for (const arrival of this.arrivals) next = Math.min(next, arrival.atUs)
    return next
  }

  private deliver(): void {
    const due = this.arrivals.filter((arrival) => arrival.atUs <= this.nowUs)
    this.arrivals = this.arrivals.filter((arrival) => arrival.atUs > this.nowUs)
    due.sort((a, b) => a.atUs - b.atUs || a.order - b.order)
    for (const { frame, from } of due) {
      for (const host of this.hosts) if (host !== from) host.receive(frame)
    }
  }
}
