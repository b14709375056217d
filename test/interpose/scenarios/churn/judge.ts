/** What must hold of connections, whatever came between. */
import { isOrderly, planOf, totalOf } from './plan.js'
import type { Outcome } from './side.js'

/** Of each connection that either end has told of: what is wrong with it. */
export function problemsOf(seed: number, clients: readonly Outcome[], servers: readonly Outcome[]): string[] {
  const problems: string[] = []
  const byId = new Map(servers.map((outcome) => [outcome.id, outcome]))
  for (const client of clients) {
    const server = byId.get(client.id)
    byId.delete(client.id)
    for (const problem of problemsOfOne(seed, client, server)) problems.push(`seed ${seed}, connection ${client.id}: ${problem}`)
  }
  for (const id of byId.keys()) problems.push(`seed ${seed}, connection ${id}: came from nowhere`)
  return problems
}

function problemsOfOne(seed: number, client: Outcome, server: Outcome | undefined): string[] {
  const plan = planOf(seed, client.id)
  const problems = problemsOfSide('client', client, server?.sentBytes ?? 0)
  if (server !== undefined) problems.push(...problemsOfSide('server', server, client.sentBytes))
  if (!isOrderly(plan)) return problems
  if (server === undefined) return [...problems, 'has not arrived']
  const ends = [['client', client, totalOf(plan.server)], ['server', server, totalOf(plan.client)]] as const
  for (const [name, { receivedBytes, sawEnd, error }, wanted] of ends) {
    if (receivedBytes !== wanted || !sawEnd || error !== null) problems.push(`${name}: ${receivedBytes} of ${wanted} bytes, end ${sawEnd}, ${error}`)
  }
  return problems
}

function problemsOfSide(name: string, { isRight, receivedBytes, closes }: Outcome, sentBytes: number): string[] {
  const problems: string[] = []
  if (!isRight || receivedBytes > sentBytes) problems.push(`${name}: bytes that were not sent there`)
  if (closes !== 1) problems.push(`${name}: closed ${closes} times`)
  return problems
}
