/** Programs by chance on sockets, from seeds: what they may expect is in `churn/`. CHURN_SEEDS=FROM-TO runs other seeds. */
import { expect, it } from 'vitest'
import { runChurn } from './churn/run.js'

const [FROM, TO] = (process.env['CHURN_SEEDS'] ?? '100000-100249').split('-').map(Number)

it(`seeds ${FROM} to ${TO}: sockets churn -> as POSIX says, nothing lost, nothing left`, { timeout: 86_400_000 }, () => {
  for (let seed = FROM; seed <= TO; seed++) expect(runChurn(seed).failure).toBe('')
})

it('the same seed twice -> the same run', () => {
  const [first, second] = [runChurn(12), runChurn(12)]
  expect(second).toEqual(first)
})
