/** One seed of the churn test. */
import { descriptors } from '../../../lib/sockets/descriptors.js'
import { Churn } from './churn.js'
import { finish } from './finale.js'
import { takeStepOf } from './steps.js'

const PASS_MAX_US = 500_000

export interface ChurnResult {
  readonly seed: number
  /** What is wrong, and the last calls; empty if nothing is. */
  readonly failure: string
  readonly counts: ReadonlyMap<string, number>
}

/** Never throws: an exception is a failure. */
export function runChurn(seed: number): ChurnResult {
  const churn = new Churn(seed)
  let failure = ''
  try {
    play(churn)
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    failure = `seed ${seed}: ${text}\nlast calls, with their times in microseconds:\n${churn.log.join('\n')}`
    // What is still open would stand in the next seed's way.
    descriptors['files'].length = descriptors['lowest'] = 0
  }
  churn.file.close()
  return { seed, failure, counts: churn.counts }
}

function play(churn: Churn): void {
  const { draw, world } = churn
  for (let left = draw.logInt(50, 500); left > 0; left--) {
    takeStepOf(churn, true)
    if (draw.chance(0.3)) world.pass(draw.logInt(1, PASS_MAX_US))
    if (churn.failure !== null) throw churn.failure
  }
  finish(churn)
}
