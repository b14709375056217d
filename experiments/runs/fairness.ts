/** How equal the shares of equal flows are to be. */
import type { Goal } from '../report/experiment.js'
import { percentText } from '../report/markdown.js'

/** Jain's index at least. */
export const JAIN_LEAST = 0.95
const MEDIAN_WITHIN = 0.2
/** What 99 of 100 flows must have at least, of the fair share. */
const STARVED_BELOW = 0.25

/** How `flows` flows under one congestion control shared a link; median and 1 % are of the fair share. */
export interface Shares {
  readonly control: string
  readonly flows: number
  readonly jain: number
  readonly median: number
  readonly p1: number
}

/** What is to hold for these flows. */
export function fairnessGoals({ control, flows, jain, median, p1 }: Shares): Goal[] {
  const who = `${control}, ${flows} flows`
  return [
    { what: `${who}: Jain's index ${JAIN_LEAST} at least`, figure: jain.toFixed(3), isMet: jain >= JAIN_LEAST },
    {
      what: `${who}: median within ${percentText(MEDIAN_WITHIN, 0)} of the fair share`, figure: percentText(median, 0),
      isMet: Math.abs(median - 1) <= MEDIAN_WITHIN,
    },
    {
      what: `${who}: 99 of 100 get ${percentText(STARVED_BELOW, 0)} of it at least`, figure: percentText(p1, 0), isMet: p1 >= STARVED_BELOW,
    },
  ]
}
