/**
 * Many connections at once, each of which does at both ends what a seed says: writes, reads in all the ways that Node has, waits, opens others, leaves
 * in good order or not. Both ends are here. CHURN_SEEDS=FROM-TO runs other seeds.
 */
import { casesOf, CONNECTIONS, inTime, kindOf } from './churn/cases.js'
import { Churn } from './churn/ends.js'
import { problemsOf } from './churn/judge.js'
import { closed, runCases } from './runner.js'

await runCases(casesOf(async (kind, seed) => {
  const churn = new Churn(seed, kindOf(kind))
  const { server, port } = await churn.serve()
  const isDone = await inTime(churn.connectAll(port, CONNECTIONS).then(() => churn.done()).then(() => closed(server)))
  return [...(isDone ? [] : churn.describeOpen()), ...problemsOf(seed, churn.clients, churn.servers)]
}))
