/** One server under load: where its processes spend their time, and what they do for each request. */
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { packageRoot, type Lab } from '../../tools/netlab/index.js'
import { startContender, type Contender, type ServerName } from '../contenders.js'
import { programOf, type Conditions as MeasureConditions } from '../measure.js'
import type { ProgramName } from '../rows/index.js'
import { withServerCpu } from '../sample.js'
import { categoryOf, functionOf, type Category, type Role } from './categories.js'
import { countsBetween, readTotals, workerCountsBetween, type Counts, type Totals, type WorkerCounts } from './counting.js'
import { startProfileLoad, type Answered, type ProfileLoad, type RunningLoad } from './load.js'
import { mapFile, recordStacks, systemCallsPerSecond } from './perf.js'
import { Sources } from './sources.js'
import type { Stack } from './stacks.js'

/** `seconds` are those of samples; `folder` is also for what Node leaves in its working folder. */
export type Conditions = Pick<MeasureConditions, 'lab' | 'cleanup' | 'folder' | 'seconds' | 'warmup'>

/** What is served, and what is asked of it. */
export interface Scene {
  readonly title: string
  readonly load: ProfileLoad
  readonly servers: readonly ServerName[]
  /** In place of the benchmark's own server: on TAS by interposition. */
  readonly program?: ProgramName
}

export interface Profile {
  readonly server: ServerName
  /** The title of its scene. */
  readonly scene: string
  /** Whether the program knows nothing of TAS. */
  readonly isUnmodified: boolean
  readonly requestsPerSecond: number
  /** User and system time of all its processes for each request, microseconds, while samples were taken. */
  readonly cpuUsPerRequest: number
  readonly samples: ReadonlyMap<Category, number>
  /** Samples of the worker process by innermost function; empty without one. */
  readonly workerFunctions: ReadonlyMap<string, number>
  /** For each request; null where the kernel does not count them. */
  readonly systemCalls: number | null
  readonly counts: Counts
  /** Null without a service. */
  readonly worker: WorkerCounts | null
}

/** By how much what is measured of the load outlasts samples and counts: perf takes a moment to begin, and connections to open. */
const SPARE_SECONDS = 2
/** Left out at both ends of what is measured, where it is not known when perf has begun. */
const EDGE_SECONDS = 0.5
/** Counting is exact after less time than sampling. */
const COUNT_SECONDS_MAX = 3
/** About what starting, stopping and reading the samples take. */
const REST_SECONDS = 5
/** Writes the names of what V8 compiles, for perf. */
const NODE_OPTIONS = '--perf-basic-prof'

/** About how many seconds `profileServer` takes. */
export function profileSeconds({ seconds, warmup }: Pick<Conditions, 'seconds' | 'warmup'>): number {
  return REST_SECONDS + 2 * (warmup + SPARE_SECONDS) + seconds + Math.min(seconds, COUNT_SECONDS_MAX)
}

function roleOf(pid: number, server: ServerName): Role {
  if (server === 'tasEmbedded') return 'embedded'
  if (server !== 'tas') return 'plain'
  const name = readFileSync(`/proc/${pid}/comm`, 'latin1').trim()
  if (name.startsWith('tas-fast')) return 'worker'
  return name === 'tas-slow' ? 'slow' : 'application'
}

function add<Key>(map: Map<Key, number>, key: Key): void {
  map.set(key, (map.get(key) ?? 0) + 1)
}

/** Samples by category, and by function where it is the worker's. */
export function attribute(
  stacks: readonly Stack[], roles: ReadonlyMap<number, Role>, sources: Sources,
): Pick<Profile, 'samples' | 'workerFunctions'> {
  const samples = new Map<Category, number>()
  const workerFunctions = new Map<string, number>()
  for (const stack of stacks) {
    const role = roles.get(stack.pid) ?? 'plain'
    add(samples, categoryOf(stack, role, sources))
    if (role === 'worker') add(workerFunctions, functionOf(stack, sources))
  }
  return { samples, workerFunctions }
}

/** What `work` finds while the load goes on, which it is given before it is measured, and what the load was. Throws Error if connections fail. */
async function underLoad<Result>(
  contender: Contender, load: ProfileLoad, seconds: number, conditions: Conditions, work: (load: RunningLoad) => Promise<Result>,
): Promise<[Result, Answered]> {
  const clientCpu = availableParallelism() - 1
  const running = startProfileLoad(load, contender, { ...conditions, seconds: seconds + SPARE_SECONDS, clientCpu })
  try {
    const found = await work(running)
    return [found, await running.result()]
  } finally {
    await running.stop()
  }
}

type Sampled = Pick<Profile, 'requestsPerSecond' | 'cpuUsPerRequest' | 'samples' | 'workerFunctions'>

async function takeSamples(contender: Contender, server: ServerName, profiled: ProfileLoad, conditions: Conditions): Promise<Sampled> {
  const { seconds, folder } = conditions
  const { pids } = contender
  const roles = new Map(pids.map((pid) => [pid, roleOf(pid, server)]))
  const [[stacks, [, cpuSeconds]], { requests, requestsPerSecond }] = await underLoad(contender, profiled, seconds, conditions,
    async (load) => {
      await load.measuring()
      return Promise.all([recordStacks(pids, seconds, folder), withServerCpu(pids, () => load.result())])
    })
  if (stacks.length === 0) throw new Error('perf has taken no sample')
  return { requestsPerSecond, cpuUsPerRequest: (cpuSeconds / requests) * 1e6, ...attribute(stacks, roles, new Sources(packageRoot)) }
}

type Counted = Pick<Profile, 'systemCalls' | 'counts' | 'worker'>

/** Counters when the load begins to be measured, and at its end. */
async function totalsAround(contender: Contender, lab: Lab, load: RunningLoad): Promise<readonly [before: Totals, after: Totals]> {
  await load.measuring()
  const before = await readTotals(contender, lab)
  await load.result()
  return [before, await readTotals(contender, lab)]
}

/** Apart from samples, since counting system calls makes each dearer. */
async function count(contender: Contender, profiled: ProfileLoad, conditions: Conditions): Promise<Counted> {
  const { lab, folder, warmup } = conditions
  const seconds = Math.min(conditions.seconds, COUNT_SECONDS_MAX)
  const [[calls, [before, after]], { requests, requestsPerSecond }] = await underLoad(contender, profiled, seconds, conditions, (load) => {
    const all = warmup + seconds + SPARE_SECONDS
    const window = { from: warmup + EDGE_SECONDS, to: all - EDGE_SECONDS }
    return Promise.all([systemCallsPerSecond(contender.pids, all, window, folder), totalsAround(contender, lab, load)])
  })
  return {
    systemCalls: calls === null ? null : calls / requestsPerSecond,
    counts: countsBetween(before, after, requests), worker: workerCountsBetween(before, after, requests),
  }
}

/** Profiles a fresh server. Throws Error if the server, the client or perf fails. */
export async function profileServer(server: ServerName, { title, load, program }: Scene, conditions: Conditions): Promise<Profile> {
  const { lab, cleanup, folder } = conditions
  const contender = await startContender(server, {
    lab, cleanup, folder, cwd: folder, env: { NODE_OPTIONS }, ...(program === undefined ? {} : { program: programOf(program, conditions) }),
  })
  try {
    const sampled = await takeSamples(contender, server, load, conditions)
    return { server, scene: title, isUnmodified: program !== undefined, ...sampled, ...await count(contender, load, conditions) }
  } finally {
    await contender.stop()
    for (const pid of contender.pids) await rm(mapFile(pid), { force: true })
  }
}
