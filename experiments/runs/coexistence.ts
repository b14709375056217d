/**
 * Experiment 5: TAS beside Linux on one emulated bottleneck, in real time. Half of the flows come from TAS, half from Linux (CUBIC, then
 * BBR); Linux's own two beside each other show what users are used to.
 */
import { withCleanup } from '../../bench/program.js'
import { Arena, type Link, linkGoodputMbit, productPackets, type Sender, type Times } from '../emulated/contest.js'
import { sum } from '../measure/statistics.js'
import type { Chart } from '../plots/charts.js'
import type { Experiment, Goal, Result, RunOptions, Table } from '../report/experiment.js'
import { percentText, trimmed } from '../report/markdown.js'

const RATE_MBIT = 100
const RTT_MS = 20
const PRODUCT_PACKETS = productPackets(RATE_MBIT, RTT_MS)

/** Of its fair share, what each side must have at least. */
const SIDE_LEAST = 0.25
/** Where Linux's own CUBIC has less in its place: so much of that, since runs differ. */
const OF_LINUX_LEAST = 0.8
/** What each flow must have at least of what its side's have on average. */
const FLOW_LEAST = 0.4
const THROUGHPUT_LEAST = 0.9

interface Pair {
  readonly names: readonly [string, string]
  readonly senders: readonly [Sender, Sender]
}

const linux = (congestion: string): Sender => ({ kind: 'linux', congestion })
const tas = (...tasArgs: string[]): Sender => ({ kind: 'tas', tasArgs })

/** The default is DCTCP, which CUBIC replaces where the path is long or nobody marks, as here (docs/decisions/0010). */
const PAIRS: readonly Pair[] = [
  { names: ['TAS', 'Linux CUBIC'], senders: [tas(), linux('cubic')] },
  { names: ['TAS', 'Linux BBR'], senders: [tas(), linux('bbr')] },
  { names: ['TAS Reno', 'Linux CUBIC'], senders: [tas('--cc=reno'), linux('cubic')] },
  { names: ['Linux CUBIC', 'Linux BBR'], senders: [linux('cubic'), linux('bbr')] },
]

interface Case {
  readonly pair: Pair
  readonly flowsEach: number
  /** Of the queue, in bandwidth-delay products. */
  readonly products: number
}

interface Run {
  readonly names: readonly [string, string]
  readonly flowsEach: number
  readonly products: number
  /** Mbit/s of each flow, first and second side. */
  readonly flows: readonly (readonly number[])[]
}

/** What a flow would have if all had the same. */
function fairMbit({ flows }: Run): number {
  return sum(flows.map(sum)) / flows.flat().length
}

/** What a side has of its fair share. */
function shareOf(run: Run, side: number): number {
  return sum(run.flows[side]) / run.flowsEach / fairMbit(run)
}

/** The least flow, of what its side has for each. */
function leastFlow({ flows, flowsEach }: Run): number {
  return Math.min(...flows.map((rates) => (Math.min(...rates) * flowsEach) / sum(rates)))
}

/** What nobody may have less of its fair share of, so as not to be starved. */
function leastShare({ flowsEach, names, products }: Run, runs: readonly Run[]): number {
  const linux = runs.find((other) => other.names[0] === 'Linux CUBIC' && other.names[1] === names[1] && other.flowsEach === flowsEach
    && other.products === products)
  return linux === undefined ? SIDE_LEAST : Math.min(SIDE_LEAST, OF_LINUX_LEAST * shareOf(linux, 0))
}

function linkOf(products: number, seed: number): Link {
  return { rateMbit: RATE_MBIT, rttMs: RTT_MS, queuePackets: products * PRODUCT_PACKETS, markPackets: null, seed }
}

function utilization(run: Run): number {
  return sum(run.flows.map(sum)) / linkGoodputMbit(linkOf(run.products, 0))
}

function nameOf({ flowsEach, names, products }: Run): string {
  return `${names.join(' and ')}, ${flowsEach} flow${flowsEach === 1 ? '' : 's'} each, queue of ${products} x BDP`
}

function goalsOf(runs: readonly Run[]): Goal[] {
  return runs.filter(({ names }) => names[0].startsWith('TAS')).flatMap((run) => [
    {
      what: `${nameOf(run)}: nobody starved (each side ${percentText(leastShare(run, runs), 0)} of its fair share at least)`,
      figure: `${percentText(shareOf(run, 0), 0)} and ${percentText(shareOf(run, 1), 0)}`,
      isMet: Math.min(shareOf(run, 0), shareOf(run, 1)) >= leastShare(run, runs),
    },
    {
      what: `${nameOf(run)}: no flow starved by its own side (${percentText(FLOW_LEAST, 0)} of their mean at least)`,
      figure: percentText(leastFlow(run), 0), isMet: leastFlow(run) >= FLOW_LEAST,
    },
    {
      what: `${nameOf(run)}: throughput ${percentText(THROUGHPUT_LEAST, 0)} at least`, figure: percentText(utilization(run)),
      isMet: utilization(run) >= THROUGHPUT_LEAST,
    },
  ])
}

function tableOf(runs: readonly Run[]): Table {
  return {
    name: 'shares',
    head: [
      'first side', 'second side', 'flows each', 'queue, BDP', 'first, Mbit/s', 'second, Mbit/s', 'first, of its fair share', 'second', 'least flow',
      'throughput of what is possible',
    ],
    rows: runs.map((run) => [
      ...run.names, String(run.flowsEach), String(run.products), trimmed(sum(run.flows[0])), trimmed(sum(run.flows[1])),
      percentText(shareOf(run, 0), 0), percentText(shareOf(run, 1), 0), percentText(leastFlow(run), 0), percentText(utilization(run)),
    ]),
  }
}

function chartOf(runs: readonly Run[]): Chart {
  const points = runs.map((run) => ({
    x: run.flowsEach, y: shareOf(run, 0), series: run.names.join(' beside '), facet: `queue of ${run.products} x BDP`,
  }))
  return {
    name: 'shares', title: 'What the first side has of its fair share, 100 Mbit/s, 20 ms', legend: 'who beside whom', mark: 'dots', points,
    series: PAIRS.map(({ names }) => names.join(' beside ')), columns: 2, x: { title: 'flows of each side' },
    y: { title: 'of the fair share', min: 0, max: 2 }, rules: [{ value: 1, name: 'fair' }, { value: SIDE_LEAST, name: 'stated' }],
  }
}

function casesOf(quick: boolean): Case[] {
  if (quick) return [{ pair: PAIRS[0], flowsEach: 1, products: 1 }]
  return [1, 3].flatMap((products) => [1, 4].flatMap((flowsEach) => PAIRS.map((pair) => ({ pair, flowsEach, products }))))
}

async function run({ quick, say, seed }: RunOptions): Promise<Result> {
  const times: Times = quick ? { warmUpSeconds: 1, seconds: 2 } : { warmUpSeconds: 5, seconds: 20 }
  const runs: Run[] = []
  await withCleanup(say, async (cleanup) => {
    const arena = await Arena.create(cleanup)
    for (const { flowsEach, pair: { names, senders }, products } of casesOf(quick)) {
      if (cleanup.interrupted) break
      const sides = senders.map((sender) => ({ sender, flows: flowsEach }))
      const each = { names, flowsEach, products, flows: await arena.contest(sides, linkOf(products, seed), times) }
      runs.push(each)
      say(`${nameOf(each)}: ${percentText(shareOf(each, 0), 0)} and ${percentText(shareOf(each, 1), 0)} of the fair share`)
    }
  })
  return {
    goals: goalsOf(runs), tables: [tableOf(runs)], charts: [chartOf(runs)],
    data: { rateMbit: RATE_MBIT, rttMs: RTT_MS, productPackets: PRODUCT_PACKETS, ...times, runs },
  }
}

export const coexistence: Experiment = {
  number: 5, name: 'coexistence', title: 'Beside Linux on one bottleneck: nobody starved', needsNetwork: true, run,
}
