/**
 * Experiment 3, second half: fairness of fewer flows on an emulated link, in real time, TAS and Linux one after the other. The bottleneck
 * marks, as a data centre's would, for those who listen.
 */
import { withCleanup } from '../../bench/program.js'
import { Arena, type Link, linkGoodputMbit, type Sender, type Times } from '../emulated/contest.js'
import { jainIndex, percentile, sum } from '../measure/statistics.js'
import type { Chart } from '../plots/charts.js'
import type { Experiment, Result, RunOptions, Table } from '../report/experiment.js'
import { percentText, trimmed } from '../report/markdown.js'
import { fairnessGoals, JAIN_LEAST, type Shares } from './fairness.js'

const LINK: Omit<Link, 'seed'> = { rateMbit: 200, rttMs: 2, queuePackets: 250, markPackets: 30 }
const GOODPUT_MBIT = linkGoodputMbit({ ...LINK, seed: 0 })
/** Below the fair share of the most flows, which is 1 Mbit/s, the default. */
const MIN_KBPS = 100
/** A rate counts IP packets. */
const IP_PER_PAYLOAD = 1500 / 1448

interface Contestant {
  readonly name: string
  readonly isStated: boolean
  readonly sender: (flows: number) => Sender
}

const linux = (congestion: string): Contestant => ({
  name: `Linux ${congestion}`, isStated: false, sender: () => ({ kind: 'linux', congestion }),
})

function tas(algorithm: string, isStated: boolean, args: (flows: number) => string[]): Contestant {
  return { name: `TAS ${algorithm}`, isStated, sender: (flows) => ({ kind: 'tas', tasArgs: [`--cc=${algorithm}`, ...args(flows)] }) }
}

const dctcpMin = `--cc-dctcp-min=${MIN_KBPS}`

const CONTESTANTS: readonly Contestant[] = [
  tas('dctcp-rate', true, () => [dctcpMin]), tas('dctcp-win', false, () => [dctcpMin]), tas('cubic', false, () => []),
  tas('const-rate', true, (flows) => [`--cc-const-rate=${Math.floor((GOODPUT_MBIT * 1000 * IP_PER_PAYLOAD) / flows)}`]),
  linux('cubic'), linux('reno'), linux('bbr'),
]

/** Shares are of what was carried. */
interface Run extends Shares {
  readonly isStated: boolean
  readonly p99: number
  readonly utilization: number
}

function runOf({ isStated, name }: Contestant, rates: readonly number[]): Run {
  const fair = sum(rates) / rates.length
  return {
    control: name, isStated, flows: rates.length, jain: jainIndex(rates), median: percentile(rates, 0.5) / fair, p1: percentile(rates, 0.01) / fair,
    p99: percentile(rates, 0.99) / fair, utilization: sum(rates) / GOODPUT_MBIT,
  }
}

function tableOf(runs: readonly Run[]): Table {
  return {
    name: 'shares', head: ['sender', 'flows', "Jain's index", 'median, of the fair share', '1 %', '99 %', 'throughput of what is possible'],
    rows: runs.map(({ control, flows, jain, median, p1, p99, utilization }) => [
      control, String(flows), trimmed(jain), percentText(median, 0), percentText(p1, 0), percentText(p99, 0), percentText(utilization),
    ]),
  }
}

function chartOf(runs: readonly Run[]): Chart {
  return {
    name: 'jain', title: 'Fairness on an emulated link, 200 Mbit/s, 2 ms, K = 30', legend: 'sender', mark: 'dots',
    series: CONTESTANTS.map(({ name }) => name), points: runs.map(({ control, flows, jain }) => ({ x: flows, y: jain, series: control })),
    x: { title: 'flows', isLog: true }, y: { title: "Jain's index", min: 0, max: 1 }, rules: [{ value: JAIN_LEAST, name: 'stated: 0.95' }],
  }
}

async function run({ quick, say, seed }: RunOptions): Promise<Result> {
  const times: Times = quick ? { warmUpSeconds: 1, seconds: 2 } : { warmUpSeconds: 5, seconds: 10 }
  const runs: Run[] = []
  await withCleanup(say, async (cleanup) => {
    const arena = await Arena.create(cleanup)
    for (const contestant of quick ? CONTESTANTS.slice(0, 1) : CONTESTANTS) {
      for (const flows of quick ? [4] : [10, 50, 200]) {
        if (cleanup.interrupted) break
        const [rates] = await arena.contest([{ sender: contestant.sender(flows), flows }], { ...LINK, seed }, times)
        const each = runOf(contestant, rates)
        runs.push(each)
        say(`${each.control}, ${flows} flows: Jain's index ${each.jain.toFixed(3)}, throughput ${percentText(each.utilization)}`)
      }
    }
  })
  return { goals: runs.filter(({ isStated }) => isStated).flatMap(fairnessGoals), tables: [tableOf(runs)], charts: [chartOf(runs)], data: { link: LINK, ...times, runs } }
}

export const linkShares: Experiment = {
  number: 3, name: 'linkshares', title: 'Fairness on an emulated link, beside Linux', needsNetwork: true, run,
}
