/** Runs one seed from beginning to end. */
import { GOOD_LINK } from '../network.js'
import { checkConversations, checkNothingLeft, isOver } from './checks.js'
import type { Scenario } from './plan.js'
import { makeScenario } from './scenario.js'
import { World } from './world.js'

const SECOND_US = 1_000_000
const MINUTE_US = 60 * SECOND_US
const LIMIT_US = 60 * MINUTE_US
const AFTERWARDS_US = 20 * MINUTE_US
/**
 * Rounds of all hosts in a virtual second: so many, and so many more for each thing that happened. A stack that goes round in circles
 * needs more.
 */
const ROUNDS_PER_SECOND = 4_000
const ROUNDS_PER_DEED = 12

export interface SeedResult {
  readonly seed: number
  /** What is wrong; empty for a clean run. */
  readonly failures: readonly string[]
  readonly frames: number
  readonly bytes: number
  readonly connections: number
  readonly virtualSeconds: number
}

/** Looks into a run before it begins. */
export type Observer = (world: World) => void

/** Runs what `seed` means. */
export function runSeed(seed: number, observe?: Observer): SeedResult {
  return runScenario(makeScenario(seed), observe)
}

/** Runs a scenario. Never throws: an exception is a failure. */
export function runScenario(scenario: Scenario, observe?: Observer): SeedResult {
  const failures: string[] = []
  let world: World | null = null
  try {
    world = new World(scenario)
    observe?.(world)
    failures.push(...play(world))
  } catch (error) {
    failures.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  const sides = world?.hosts.flatMap(({ programs }) => programs.flatMap(({ sides: all }) => all)) ?? []
  return {
    seed: scenario.seed, failures, frames: world?.net.framesSent ?? 0, bytes: sides.reduce((sum, { received }) => sum + received, 0),
    connections: sides.filter(({ opened }) => opened).length, virtualSeconds: ((world?.nowUs ?? 0) - scenario.startUs) / SECOND_US,
  }
}

function play(world: World): string[] {
  world.open()
  world.begin()
  const busy = runBounded(world, () => isOver(world), LIMIT_US)
  if (busy !== '') return [busy]
  const failures = checkConversations(world)
  for (const { programs, host } of world.hosts) {
    for (const program of programs) program.kill()
    world.net.setLink(host, GOOD_LINK)
  }
  const circles = runBounded(world, () => false, AFTERWARDS_US)
  if (circles !== '') return [...failures, circles]
  return [...failures, ...checkNothingLeft(world)]
}

/** Second by second, so that a stack that goes round in circles is noticed. Returns what is wrong. */
function runBounded(world: World, done: () => boolean, limitUs: number): string {
  const { net } = world
  const endUs = net.nowUs + limitUs
  while (net.nowUs < endUs) {
    const { rounds } = net.progress
    const deeds = world.deeds
    const startUs = net.nowUs
    const isDone = net.run(done, SECOND_US)
    const most = ROUNDS_PER_SECOND + ROUNDS_PER_DEED * (world.deeds - deeds)
    if (net.progress.rounds - rounds > most) return `${net.progress.rounds - rounds} rounds in the second from ${startUs} us on: livelock`
    if (isDone || net.nowUs === startUs) return ''
  }
  return ''
}
