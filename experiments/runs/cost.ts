/**
 * Experiment 7, after TAS (EuroSys 2019): what the slow path costs with 100 to 50,000 flows, in use and idle. Here alone time is real: how long
 * the polls of one slow path take. Everything else is virtual.
 */
import { DEFAULT_TIMELY } from '../../service/slow/config.js'
import type { Fabric, Flow, Node, PortOptions } from '../engine/index.js'
import { logSlope } from '../measure/statistics.js'
import type { Chart } from '../plots/charts.js'
import type { Experiment, Goal, Result, RunOptions, Table } from '../report/experiment.js'
import { trimmed } from '../report/markdown.js'
import { makeStar } from '../topology/star.js'
import { openFlows, tableRows } from './bulk.js'

/** Not a bottleneck: all flows together need less. */
const PORT: PortOptions = { rateKbps: 100_000_000, delayUs: 10, queuePackets: 100_000, markPackets: Infinity }
/** Flows to one address: a fifth of the ephemeral ports, so that a free one is found at once. */
const FLOWS_A_RECEIVER = 10_000
/** A full segment every 60 ms of each flow in use. TIMELY, whose rate does not double at the beginning. */
const RATE_KBPS = 200
const CC = { algorithm: 'timely', timely: { ...DEFAULT_TIMELY, initKbps: RATE_KBPS, minKbps: RATE_KBPS, stepKbps: 0 } } as const
const BUF_BYTES = 1 << 11
const SETTLE_US = 100_000
const MEASURED_US = 300_000
/** A run before the first that counts: compilers warm up. */
const WARM_UP_FLOWS = 1_000
/** log-log slope of CPU over flows that counts as linear. A fixed cost at the low end can hide growth at the high one, so both are looked at. */
const LINEAR = { from: 0.8, to: 1.2 }
const MANY_FLOWS = 1_000
/** An idle flow may cost so much of one in use. */
const IDLE_SHARE_MOST = 0.01

interface Run {
  readonly flows: number
  readonly isActive: boolean
  /** CPU of the slow path in a second of virtual time, milliseconds. */
  readonly cpuMs: number
  readonly polls: number
  readonly segments: number
}

/** Adds up how long `host`'s slow path takes. */
class Meter {
  ms = 0
  polls = 0

  constructor({ host: { slow } }: Node) {
    const poll = slow.poll.bind(slow)
    slow.poll = (nowUs) => {
      const before = performance.now()
      const work = poll(nowUs)
      this.ms += performance.now() - before
      this.polls++
      return work
    }
  }

  reset(): void {
    this.ms = 0
    this.polls = 0
  }
}

interface Scene {
  readonly fabric: Fabric
  readonly sender: Node
  readonly flows: readonly Flow[]
  readonly meter: Meter
}

/** One host with `count` connections to others. */
function connect(count: number, seed: number): Scene {
  const { fabric, nodes: [sender, ...receivers] } = makeStar({
    seed, hosts: 1 + Math.ceil(count / FLOWS_A_RECEIVER), port: PORT,
    host: (index) => ({ flows: tableRows(index === 0 ? count : Math.min(count, FLOWS_A_RECEIVER)), bufBytes: BUF_BYTES, cc: CC }),
  })
  const flows = openFlows(fabric, count, (i) => sender.program.open(receivers[i % receivers.length].ip, Infinity))
  fabric.pass(SETTLE_US)
  return { fabric, sender, flows, meter: new Meter(sender) }
}

function measure({ fabric, flows, meter, sender }: Scene, isActive: boolean): Run {
  fabric.pass(SETTLE_US)
  meter.reset()
  const segments = sender.host.fastCount('txPackets')
  fabric.pass(MEASURED_US)
  return {
    flows: flows.length, isActive, cpuMs: (meter.ms * 1e6) / MEASURED_US, polls: meter.polls,
    segments: sender.host.fastCount('txPackets') - segments,
  }
}

function begin({ fabric, flows, sender }: Scene): void {
  const startUs = fabric.elapsedUs
  for (const flow of flows) fabric.at(startUs + fabric.random.fraction() * SETTLE_US, () => sender.program.begin(flow))
  fabric.pass(SETTLE_US)
}

/** The same flows, idle and then in use. */
function observe(count: number, seed: number): Run[] {
  const scene = connect(count, seed)
  const idle = measure(scene, false)
  begin(scene)
  return [idle, measure(scene, true)]
}

/** CPU grows with flows to the power of this. */
function powerOf(runs: readonly Run[]): number {
  return logSlope(runs.map(({ flows }) => flows), runs.map(({ cpuMs }) => cpuMs))
}

function isLinear(power: number): boolean {
  return power >= LINEAR.from && power <= LINEAR.to
}

function goalsOf(runs: readonly Run[]): Goal[] {
  const active = runs.filter(({ isActive }) => isActive)
  const idle = runs.filter(({ isActive }) => !isActive)
  const [mostActive, mostIdle] = [active[active.length - 1], idle[idle.length - 1]]
  const share = mostIdle.cpuMs / mostActive.cpuMs
  const goals: Goal[] = [{
    what: `idle flows cost nothing: less than ${IDLE_SHARE_MOST * 100} % of what as many in use do (${mostIdle.flows} flows)`,
    figure: `${trimmed(share * 100)} %, ${mostIdle.polls} polls`, isMet: share < IDLE_SHARE_MOST,
  }]
  if (active.length < 2) return goals
  const many = active.filter(({ flows }) => flows >= MANY_FLOWS)
  const powers = [powerOf(active), many.length < 2 ? powerOf(active) : powerOf(many)]
  const linear = {
    what: `linear in flows in use: CPU grows with flows to the power of ${LINEAR.from} to ${LINEAR.to}, over all and from ${MANY_FLOWS} on`,
    figure: powers.map(trimmed).join(' and '), isMet: powers.every(isLinear),
  }
  return [linear, ...goals]
}

function tableOf(runs: readonly Run[]): Table {
  return {
    name: 'cost', head: ['flows', '', 'slow path, ms of CPU a second', 'us a flow and second', 'polls a second', 'segments a second'],
    rows: runs.map(({ cpuMs, flows, isActive, polls, segments }) => [
      String(flows), isActive ? 'in use' : 'idle', trimmed(cpuMs), trimmed((cpuMs * 1000) / flows), trimmed((polls * 1e6) / MEASURED_US),
      trimmed((segments * 1e6) / MEASURED_US),
    ]),
  }
}

function chartOf(runs: readonly Run[]): Chart {
  return {
    name: 'cpu', title: 'CPU of the slow path by number of flows', legend: 'flows', mark: 'dots', series: ['in use', 'idle'],
    points: runs.map(({ cpuMs, flows, isActive }) => ({ x: flows, y: Math.max(cpuMs, 0.001), series: isActive ? 'in use' : 'idle' })),
    x: { title: 'flows', isLog: true }, y: { title: 'CPU (ms a second; none: drawn at 0.001)', isLog: true },
  }
}

function run({ quick, say, seed }: RunOptions): Result {
  observe(quick ? 100 : WARM_UP_FLOWS, seed)
  const runs = (quick ? [100, 400] : [100, 1_000, 10_000, 50_000]).flatMap((count) => {
    say(`${count} flows`)
    return observe(count, seed)
  })
  return { goals: goalsOf(runs), tables: [tableOf(runs)], charts: [chartOf(runs)], data: { measuredUs: MEASURED_US, rateKbps: RATE_KBPS, runs } }
}

export const cost: Experiment = { number: 7, name: 'cost', title: 'Cost of the slow path', run }
