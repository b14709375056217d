/** Measures a plan, one turn after the other, and tells of each. */
import { measureScenario, type Conditions, type Measured } from './measure.js'
import type { Say } from './program.js'
import type { Miss } from './results.js'
import { planSeconds, Progress, turnSeconds, type Turn } from './schedule.js'

export interface TurnResult {
  readonly turn: Turn
  /** Null: does not count. Figures of a broken run would mislead. */
  readonly measured: Measured | null
}

export interface TurnResults {
  readonly results: readonly TurnResult[]
  /** Those that do not count, and why. */
  readonly failed: readonly Miss[]
}

/**
 * Measures `turns`, or until clean-up has begun. `figure` says in a few words what a measurement has shown. Servers are verified in the first
 * run alone.
 */
export async function measureTurns(
  turns: readonly Turn[], conditions: Omit<Conditions, 'verifies'>, say: Say, figure: (turn: Turn, measured: Measured) => string,
): Promise<TurnResults> {
  const progress = new Progress(planSeconds(turns, conditions), performance.now())
  const results: TurnResult[] = []
  const failed: Miss[] = []
  for (const turn of turns) {
    if (conditions.cleanup.interrupted) break
    const { scenario, server, run } = turn
    const what = `${scenario.name} ${server}`
    const news = (text: string): void => say(`run ${run + 1}, ${progress.left(performance.now())}: ${what}: ${text}`)
    try {
      const measured = await measureScenario(scenario, server, { ...conditions, verifies: run === 0 })
      results.push({ turn, measured })
      news(figure(turn, measured))
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      results.push({ turn, measured: null })
      failed.push({ what, reason })
      news(`not counted: ${reason}`)
    }
    progress.done(turnSeconds(scenario, conditions))
  }
  return { results, failed }
}
