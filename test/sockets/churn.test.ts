/** Programs by chance on sockets, from seeds: what they may expect is in `churn/`. CHURN_SEEDS sets how many, CHURN_FIRST which is the first. */
import { expect, it } from 'vitest'
import { runChurn } from './churn/run.js'

const SEEDS = Number(process.env.CHURN_SEEDS ?? 250)
const FIRST = Number(process.env.CHURN_FIRST ?? 100_000)

it(`seeds from ${FIRST} on: sockets churn -> as POSIX says, nothing lost, nothing left`, { timeout: 86_400_000 }, () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) expect(runChurn(seed).failure).toBe('')
})

it('the same seed twice -> the same run', () => {
  const [first, second] = [runChurn(12), runChurn(12)]
  expect(second).toEqual(first)
})
