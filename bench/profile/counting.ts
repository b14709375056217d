/** What a server and its link do for each request, counted between two moments of a load. */
import { readdirSync, readFileSync } from 'node:fs'
import { countersName, type WorkerCounter } from '../../lib/memif/index.js'
import { openSharedObject } from '../../native/index.js'
import type { Lab } from '../../tools/netlab/index.js'
import { distributionOf, type Distribution } from '../../tools/stat/distribution.js'
import { ratesBetween, readSnapshot, type Snapshot } from '../../tools/stat/snapshot.js'
import type { Contender } from '../contenders.js'

/** Of all threads of the server. */
export interface Counts {
  /** How often a thread went to sleep and was woken. */
  readonly wakeups: number
  /** How often a thread lost its CPU to another, or gave it up. */
  readonly yields: number
  /** At the server's end of the link; a super-segment is one. */
  readonly framesIn: number
  readonly framesOut: number
}

/** What the counters of a service say of its worker. */
export interface WorkerCounts {
  readonly framesPerPass: number
  /** For each request: acknowledgments of something new, events, wake-ups. */
  readonly acks: number
  readonly events: number
  readonly appWakeups: number
  readonly slowWakeups: number
  readonly workerWakeups: number
  /** Time of a pass that found something to do, microseconds. */
  readonly passUs: Distribution
}

/** Everything that has been counted up to a moment. */
export interface Totals extends Counts {
  /** Null without a service. */
  readonly snapshot: Snapshot | null
}

/** Sum of a line of /proc/PID/task/TID/status over all threads of `pids`. */
function sumOfStatus(pids: readonly number[], name: string): number {
  const line = new RegExp(`^${name}:\\s*(\\d+)`, 'm')
  let sum = 0
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      sum += Number(line.exec(readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1'))?.[1] ?? 0)
    }
  }
  return sum
}

/** Reads all counters. Throws Error if the server has ended. */
export async function readTotals({ pids, service }: Contender, lab: Lab): Promise<Totals> {
  const folder = `/sys/class/net/${lab.tas.interface}/statistics`
  const [framesIn, framesOut] = (await lab.tas.run('cat', [`${folder}/rx_packets`, `${folder}/tx_packets`])).split('\n').map(Number)
  return {
    framesIn, framesOut,
    wakeups: sumOfStatus(pids, 'voluntary_ctxt_switches'), yields: sumOfStatus(pids, 'nonvoluntary_ctxt_switches'),
    snapshot: service === null ? null : readSnapshot(new Float64Array(openSharedObject(countersName(service.socket))), Date.now()),
  }
}

/** What was counted from `before` to `after`, for each of `requests`. */
export function countsBetween(before: Totals, after: Totals, requests: number): Counts {
  const each = (name: keyof Counts): number => (after[name] - before[name]) / requests
  return { wakeups: each('wakeups'), yields: each('yields'), framesIn: each('framesIn'), framesOut: each('framesOut') }
}

/** The same of the first worker of a service; null without one. */
export function workerCountsBetween({ snapshot: before }: Totals, { snapshot: after }: Totals, requests: number): WorkerCounts | null {
  if (before === null || after === null) return null
  const [then, now] = [before.workers[0], after.workers[0]]
  const counted = (name: WorkerCounter): number => now[name] - then[name]
  const each = (name: WorkerCounter): number => counted(name) / requests
  return {
    framesPerPass: counted('rxPackets') / counted('busyPasses'), acks: each('rxAcks'), events: each('appEvents'), appWakeups: each('appWakeups'),
    slowWakeups: each('slowWakeups'), workerWakeups: each('wakeups'),
    passUs: distributionOf(ratesBetween(before, after).histograms.workers[0]['passUs']),
  }
}
