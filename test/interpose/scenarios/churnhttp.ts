/** Many exchanges over HTTP, HTTPS and HTTP/2, each of which does at both ends what a seed says. CHURN_SEEDS=FROM-TO runs other seeds. */
import { identity, inTime, seeds } from './churn/cases.js'
import { Exchanges } from './churn/exchanges.js'
import type { WebName } from './churn/web.js'
import { runCases, type Seen } from './runner.js'

const EXCHANGES = 150

const names: readonly WebName[] = identity === null ? ['HTTP', 'HTTP/2'] : ['HTTP', 'HTTPS', 'HTTP/2', 'HTTP/2 over TLS']
const cases: Record<string, () => Promise<Seen>> = {}
for (const name of names) {
  for (const seed of seeds) {
    cases[`${name}, seed ${seed}`] = async () => {
      const exchanges = new Exchanges(seed, name, identity)
      const isDone = await inTime(exchanges.run(EXCHANGES))
      return [...exchanges.problems, ...(isDone ? [] : exchanges.describeOpen())]
    }
  }
}
await runCases(cases)
