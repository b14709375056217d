/** Hosts joined by one faulty link, in one thread under virtual time. Everything follows from the seed. */
import {
  type DirectionCounters, type DirectionOptions, directionOptions, FATE_DROPPED_MTU, HEAP_FRAMES, LinkModel, randomFor, SeededRandom,
} from '../../tools/linkem/index.js'
import { fragmentationNeeded } from '../../tools/linkem/icmp.js'

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

/** A box between a host and the network that changes frames: null drops one. */
export interface Middlebox {
  outbound(frame: Uint8Array): Uint8Array | null
  inbound(frame: Uint8Array): Uint8Array | null
}

/** What the network needs of a host. Time is the network's. */
export interface NetworkHost {
  receive(frame: Uint8Array): void
  /** Does a bounded amount of work. Returns how much. */
  step(nowUs: number): number
  /** What is done before a process blocks. Returns whether there is work after it. */
  beforeSleep(nowUs: number): number
  nextDeadlineUs(): number
}

/** A host and the direction of the link that begins at it. */
export interface End {
  readonly host: NetworkHost
  readonly model: LinkModel
  middlebox: Middlebox | null
  /** The cable is out: nothing goes in or out. */
  isDown: boolean
  /** Frames that its middlebox swallowed, or that met a cable that was out: sent by it, and on the way to it. */
  swallowedOut: number
  swallowedIn: number
  /** ICMP messages that the network itself sent it. */
  told: number
}

/** What the network has done so far, for checks. */
export interface Progress {
  /** Rounds in which every host got a step. */
  rounds: number
  /** Moments of virtual time at which something happened. */
  moments: number
}

/** Rounds at one moment before hosts count as not coming to rest. */
const ROUNDS_MAX = 100_000

export class SimNetwork {
  nowUs: number
  readonly random: SeededRandom
  /** Frames put on the link. */
  framesSent = 0
  readonly progress: Progress = { rounds: 0, moments: 0 }
  /** Sees every frame that a host sends, with its fate (FATE_* bits of the link's model). */
  onFrame: ((host: NetworkHost, frame: Uint8Array, fate: number) => void) | null = null
  private readonly seed: number
  private current: LinkFaults
  private readonly ends: End[] = []
  private readonly byHost = new Map<NetworkHost, End>()
  private readonly agenda = new Agenda()

  constructor(seed: number, faults: LinkFaults = GOOD_LINK, startUs = 1_000_000) {
    this.seed = seed
    this.random = new SeededRandom(seed)
    this.current = faults
    this.nowUs = startUs
  }

  get faults(): LinkFaults {
    return this.current
  }

  /** May be changed while the simulation runs. */
  set faults(faults: LinkFaults) {
    this.current = faults
    for (const { model } of this.ends) model.options = directionOptions(faults)
  }

  join(host: NetworkHost): void {
    const random = randomFor(this.seed, this.ends.length + 1)
    const model = new LinkModel(directionOptions(this.current), random, HEAP_FRAMES)
    const end: End = { host, model, middlebox: null, isDown: false, swallowedOut: 0, swallowedIn: 0, told: 0 }
    this.ends.push(end)
    this.byHost.set(host, end)
  }

  /** Where `host` is on the network. Throws Error if it has not joined. */
  end(host: NetworkHost): End {
    const end = this.byHost.get(host)
    if (end === undefined) throw new Error('the host has not joined the network')
    return end
  }

  /** The direction that begins at `host` gets settings of its own. */
  setLink(host: NetworkHost, options: Partial<DirectionOptions>): void {
    this.end(host).model.options = directionOptions(options)
  }

  /** What the direction that begins at `host` has done. */
  counters(host: NetworkHost): DirectionCounters {
    return this.end(host).model.counters
  }

  /** Calls `act` at `atUs`; hosts get a step afterwards. */
  schedule(atUs: number, act: () => void): void {
    this.agenda.add(Math.max(atUs, this.nowUs), act)
  }

  /** A host puts a frame on the link, which it gives away. */
  send(from: NetworkHost, frame: Uint8Array): void {
    const end = this.end(from)
    this.framesSent++
    const bytes = end.isDown ? null : end.middlebox === null ? frame : end.middlebox.outbound(frame)
    if (bytes === null) {
      end.swallowedOut++
      return
    }
    // Looked at before the link changes it.
    const copy = this.onFrame === null ? null : bytes.slice()
    const fate = end.model.offer({ bytes, len: bytes.length }, this.nowUs)
    if (copy !== null) this.onFrame?.(from, copy, fate)
    if ((fate & FATE_DROPPED_MTU) !== 0 && end.model.options.icmp) this.tellMtu(end, bytes)
  }

  private tellMtu(end: End, dropped: Uint8Array): void {
    const answer = fragmentationNeeded(dropped, dropped.length, end.model.options.mtu)
    if (answer === null) return
    end.told++
    end.host.receive(answer)
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
      this.progress.moments++
      this.agenda.run(this.nowUs)
      this.deliver()
    }
    return done()
  }

  /** Lets all hosts work until none has anything to do, as processes would before they block. */
  private settle(): void {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      this.progress.rounds++
      let work = 0
      for (const { host } of this.ends) work += host.step(this.nowUs)
      if (work > 0) continue
      for (const { host } of this.ends) work += host.beforeSleep(this.nowUs)
      if (work === 0) return
    }
    throw new Error(`hosts do not come to rest at ${this.nowUs} us`)
  }

  private nextEventUs(): number {
    let next = this.agenda.nextUs
    for (const { host, model } of this.ends) next = Math.min(next, host.nextDeadlineUs(), model.nextDepartureUs())
    return next
  }

  private deliver(): void {
    for (const { host: from, model } of this.ends) {
      for (let frame = model.take(this.nowUs); frame !== null; frame = model.take(this.nowUs)) {
        for (const end of this.ends) if (end.host !== from) this.arrive(end, frame.bytes)
      }
    }
  }

  private arrive(end: End, frame: Uint8Array): void {
    const bytes = end.isDown ? null : end.middlebox === null ? frame : end.middlebox.inbound(frame)
    if (bytes === null) end.swallowedIn++
    else end.host.receive(bytes)
  }
}

/** What is to happen, the first in front; equal times in the order in which they came. */
class Agenda {
  private readonly entries: { readonly atUs: number; readonly act: () => void }[] = []

  get nextUs(): number {
    return this.entries.length === 0 ? Infinity : this.entries[0].atUs
  }

  add(atUs: number, act: () => void): void {
    const later = this.entries.findIndex((entry) => entry.atUs > atUs)
    this.entries.splice(later < 0 ? this.entries.length : later, 0, { atUs, act })
  }

  run(nowUs: number): void {
    while (this.nextUs <= nowUs) this.entries.shift()?.act()
  }
}
