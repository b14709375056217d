/** An application that does anything to its memory: only it suffers, and at its end everything of it is freed. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  APP_FAST_ENTRY_WORDS, APP_SLOW_ENTRY_WORDS, AS_BACKLOG, AS_CONTEXT, AS_FLOW, AS_GEN_WORKER, AS_HANDLE, AS_LISTENER,
  AS_LOCAL_IP, AS_PORTS, AS_REMOTE_IP, AS_TYPE, BUMP_FLOW, BUMP_GEN, buffersOffset, PAGE_BYTES, placeContext,
  RING_HEADER_WORDS, type RingPlace,
} from '../../lib/memif/index.js'
import type { SimHost } from './host.js'
import { CLIENT_IP, exchange, expectNothingLeft, listen, SERVER_IP, start, twoHosts, type Running } from './scene.js'
import type { SeededRandom } from './random.js'

const GOOD_PORT = 80
const BAD_PORT = 81
const TAIL = 0
const HEAD = 16

/** What a bad application can do to its region, again and again. */
class Vandal {
  private readonly words: Int32Array
  private readonly random: SeededRandom
  private readonly host: SimHost

  constructor({ memory }: Running, host: SimHost, random: SeededRandom) {
    this.words = new Int32Array(memory)
    this.host = host
    this.random = random
  }

  private get places(): ReturnType<typeof placeContext> {
    return placeContext(this.host.shape, 0)
  }

  /** Every word of its first context's block. */
  scribble(): void {
    const end = this.places.bumps[0].firstWord + RING_HEADER_WORDS + this.places.bumps[0].capacity * APP_FAST_ENTRY_WORDS
    for (let at = PAGE_BYTES / 4; at < end; at++) this.words[at] = this.random.u32()
  }

  /** The header page, and the first bytes of the buffers. */
  scribbleElsewhere(): void {
    for (let at = 0; at < PAGE_BYTES / 4; at++) this.words[at] = this.random.u32()
    const buffers = buffersOffset(this.host.shape) / 4
    for (let at = buffers; at < buffers + 4096; at++) this.words[at] = this.random.u32()
  }

  /** Counters that cannot be, in any of its rings. */
  impossibleCounters(): void {
    const { kin, kout, events, bumps } = this.places
    for (const { firstWord } of [kin, kout, events[0], bumps[0]]) {
      this.words[firstWord + (this.random.chance(0.5) ? TAIL : HEAD)] = this.random.u32()
    }
  }

  /** Rings to it that it never empties. */
  readNothing(): void {
    const { kin, events } = this.places
    for (const { firstWord, capacity } of [kin, events[0]]) this.words[firstWord + HEAD] = this.words[firstWord + TAIL] - capacity
  }

  /** As many requests as fit, each of a kind that there is, about things that may be there. */
  requests(): void {
    const { random } = this
    this.fill(this.places.kout, APP_SLOW_ENTRY_WORDS, (words, at) => {
      for (let word = 0; word < APP_SLOW_ENTRY_WORDS; word++) words[at + word] = random.u32()
      words[at + AS_TYPE] = random.below(9)
      words[at + AS_HANDLE] = random.below(40)
      words[at + AS_LISTENER] = random.below(6)
      if (random.chance(0.8)) words[at + AS_FLOW] = random.below(70) - 2
      if (random.chance(0.8)) words[at + AS_GEN_WORKER] = random.below(6)
      if (random.chance(0.8)) words[at + AS_PORTS] = random.chance(0.5) ? random.below(200) : (GOOD_PORT + random.below(3)) << 16
      if (random.chance(0.8)) words[at + AS_REMOTE_IP] = random.chance(0.5) ? CLIENT_IP : SERVER_IP
      if (random.chance(0.8)) words[at + AS_LOCAL_IP] = random.chance(0.5) ? 0 : SERVER_IP
      if (random.chance(0.8)) words[at + AS_BACKLOG] = random.below(10)
      if (random.chance(0.8)) words[at + AS_CONTEXT] = random.below(3)
    })
  }

  /** As many bumps as fit, about any flow. */
  bumps(): void {
    const { random } = this
    this.fill(this.places.bumps[0], APP_FAST_ENTRY_WORDS, (words, at) => {
      for (let word = 0; word < APP_FAST_ENTRY_WORDS; word++) words[at + word] = random.u32()
      words[at + BUMP_FLOW] = random.below(70) - 2
      words[at + BUMP_GEN] = random.below(6)
    })
  }

  private fill({ firstWord, capacity }: RingPlace, entryWords: number, write: (words: Int32Array, at: number) => void): void {
    const { words } = this
    const head = words[firstWord + HEAD]
    for (let n = 0; n < capacity; n++) write(words, firstWord + RING_HEADER_WORDS + ((head + n) & (capacity - 1)) * entryWords)
    words[firstWord + TAIL] = head + capacity
  }
}

type Deed = Exclude<keyof Vandal, 'places' | 'fill'>
const DEEDS: readonly Deed[] = ['scribble', 'scribbleElsewhere', 'impossibleCounters', 'readNothing', 'requests', 'bumps']

/** A bad application with connections in every state; then it does `deeds`, one after the other, beside a good one. */
function misbehave(seed: number, deeds: readonly Deed[], fastEntries = 64): void {
  const hosts = twoHosts(seed, { fastEntries })
  const { net, server, client } = hosts
  const good = start(server, 'good')
  const bad = start(server, 'bad')
  const calling = start(client, 'client')
  const response = net.random.bytes(10_000)
  listen(hosts, good, GOOD_PORT, () => response)
  listen(hosts, bad, BAD_PORT, () => net.random.bytes(30_000))
  const victims = Array.from({ length: 6 }, () => calling.program.connect(SERVER_IP, BAD_PORT, net.random.bytes(30_000)))
  net.run(() => false, net.random.below(3000))
  bad.hang()
  net.run(() => false, net.random.below(100_000))
  victims.push(calling.program.connect(SERVER_IP, BAD_PORT, net.random.bytes(100)))
  const vandal = new Vandal(bad, server, net.random)
  for (const deed of deeds) {
    vandal[deed]()
    exchange(hosts, calling, good, GOOD_PORT, response)
  }
  server.slow.apps.removeApp(bad.app)
  expect(net.run(() => victims.every((call) => call.closed), 10 * 60_000_000)).toBe(true)
  exchange(hosts, calling, good, GOOD_PORT, response)
  expect([server.slowCount('apps'), server.workerKnows(bad.app)]).toEqual([1, false])
  expectNothingLeft(hosts, [[server, good], [client, calling]])
}

describe('application that misbehaves', () => {
  it.each(DEEDS)('%s -> others go on, everything of it is freed at its end', (deed) => {
    fc.assert(fc.property(fc.integer(), (seed) => misbehave(seed, [deed, deed])), { numRuns: 6 })
  })

  it('it hangs while its rings fill up -> others go on, everything of it is freed at its end', () => {
    fc.assert(fc.property(fc.integer(), (seed) => misbehave(seed, [], 2)), { numRuns: 6 })
  })

  it('anything, in any order -> others go on, everything of it is freed at its end', { timeout: 120_000 }, () => {
    const deeds = fc.array(fc.constantFrom(...DEEDS), { minLength: 1, maxLength: 5 })
    fc.assert(fc.property(fc.integer(), deeds, fc.constantFrom(2, 64), misbehave), { numRuns: 30 })
  })
})
