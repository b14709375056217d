/** When flows begin, between whom, and how long they are. */
import type { SeededRandom } from '../../tools/linkem/index.js'
import { drawLength, meanBytes, type SizeDistribution } from './sizes.js'

export interface Arrival {
  /** Microseconds from the beginning of the workload. */
  readonly atUs: number
  /** Indexes of hosts. */
  readonly from: number
  readonly to: number
  readonly lenBytes: number
}

/** Time to the next event of a Poisson process of `perUs` events a microsecond. */
export function exponentialUs(perUs: number, random: SeededRandom): number {
  return -Math.log(1 - random.fraction()) / perUs
}

export interface AllToAll {
  readonly hosts: number
  /** Of a host's link, kbit/s, and how much of it flows take on average. */
  readonly rateKbps: number
  readonly load: number
  readonly sizes: SizeDistribution
  readonly flows: number
}

/** Poisson arrivals between any two hosts. */
export function allToAll({ flows, hosts, load, rateKbps, sizes }: AllToAll, random: SeededRandom): Arrival[] {
  const perUs = (hosts * load * rateKbps) / 8000 / meanBytes(sizes)
  let atUs = 0
  return Array.from({ length: flows }, () => {
    atUs += exponentialUs(perUs, random)
    const from = random.below(hosts)
    const to = (from + 1 + random.below(hosts - 1)) % hosts
    return { atUs, from, to, lenBytes: drawLength(sizes, random) }
  })
}

export interface Queries {
  readonly hosts: number
  readonly queries: number
  /** Hosts that answer each query at once, and how much each (partition/aggregate, DCTCP 2.1). */
  readonly responders: number
  readonly answerBytes: number
  /** Mean time between queries. */
  readonly everyUs: number
}

/** Queries of random hosts, which many others answer at the same time. */
export function incastQueries({ answerBytes, everyUs, hosts, queries, responders }: Queries, random: SeededRandom): Arrival[] {
  let atUs = 0
  return Array.from({ length: queries }, () => {
    atUs += exponentialUs(1 / everyUs, random)
    const to = random.below(hosts)
    const others = Array.from({ length: hosts - 1 }, (_, i) => (to + 1 + i) % hosts)
    return Array.from({ length: Math.min(responders, others.length) }, () => ({
      atUs, from: others.splice(random.below(others.length), 1)[0], to, lenBytes: answerBytes,
    }))
  }).flat()
}
