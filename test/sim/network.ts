/** Hosts joined by one faulty link, in one thread under virtual time. Everything follows from the seed. */
import { type DirectionOptions, directionOptions, HEAP_FRAMES, LinkModel, randomFor, SeededRandom } from '../../tools/linkem/index.js'
import type { SimHost } from './host.js'

/** What the link does to frames, in each direction; probabilities from 0 to 1. More is in DirectionOptions: rate, queue, ECN, bursts ... */
export interface LinkFaults extends Partial<DirectionOptions> {
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

/** A host and the direction of the link that begins at it. */
interface End {
  readonly host: SimHost
  readonly model: LinkModel
}

export class SimNetwork {
  nowUs = 1_000_000
  readonly random: SeededRandom
  /** Frames put on the link. */
  framesSent = 0
  private readonly seed: number
  private current: LinkFaults
  private readonly ends: End[] = []

  constructor(seed: number, faults: LinkFaults = GOOD_LINK) {
    this.seed = seed
    this.random = new SeededRandom(seed)
    this.current = faults
  }

  get faults(): LinkFaults {
    return this.current
  }

  /** May be changed while the simulation runs. */
  set faults(faults: LinkFaults) {
    this.current = faults
    for (const { model } of this.ends) model.options = directionOptions(faults)
  }

  join(host: SimHost): void {
    const random = randomFor(this.seed, this.ends.length + 1)
    this.ends.push({ host, model: new LinkModel(directionOptions(this.current), random, HEAP_FRAMES) })
  }

  /** A host puts a frame on the link. */
  send(from: SimHost, frame: Uint8Array): void {
    const end = this.ends.find(({ host }) => host === from)
    if (end === undefined) throw new Error('the host has not joined the network')
    this.framesSent++
    end.model.offer({ bytes: frame.slice(), len: frame.length }, this.nowUs)
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
      for (const { host } of this.ends) work += host.step(this.nowUs)
      if (work > 0) continue
      for (const { host } of this.ends) work += host.beforeSleep(this.nowUs)
      if (work === 0) return
    }
    throw new Error(`hosts do not come to rest at ${this.nowUs} us`)
  }

  private nextEventUs(): number {
    let next = Infinity
    for (const { host, model } of this.ends) next = Math.min(next, host.nextDeadlineUs(), model.nextDepartureUs())
    return next
  }

  private deliver(): void {
    for (const { host: from, model } of this.ends) {
      for (let frame = model.take(this.nowUs); frame !== null; frame = model.take(this.nowUs)) {
        for (const { host } of this.ends) if (host !== from) host.receive(frame.bytes)
      }
    }
  }
}
