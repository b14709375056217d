/** What Node's own tests say of TAS, as docs/nodesuite.md has it. */
import { markdownTable } from '../../tools/netlab/index.js'
import { departureOf } from './departures.js'
import type { TestResult } from './runner.js'

/** The tests that passed on plain Node, on one TAS. */
export interface SuiteRun {
  readonly name: string
  readonly results: readonly TestResult[]
}

/** Tests that did not pass, with the reason why that is known, or null. */
export function differences(results: readonly TestResult[]): { readonly test: TestResult; readonly reason: string | null }[] {
  return results.filter(({ outcome }) => outcome !== 'passed').map((test) => ({ test, reason: departureOf(test.name) }))
}

/** Both tables: how many passed, and what did not, by reason. `conditions` are lines below. */
export function reportTables(runs: readonly SuiteRun[], conditions: readonly string[]): string {
  const counts = runs.map(({ name, results }) => {
    const different = differences(results)
    const unexplained = different.filter(({ reason }) => reason === null).length
    return [name, String(results.length), String(results.length - different.length), String(different.length - unexplained), String(unexplained)]
  })
  const reasons = runs.flatMap(({ name, results }) => reasonRows(name, results))
  return [
    markdownTable(['on', 'pass on plain Node', 'pass here', 'fail, known why', 'fail'], counts, conditions),
    '',
    markdownTable(['on', 'reason', 'tests'], reasons),
  ].join('\n')
}

function reasonRows(run: string, results: readonly TestResult[]): string[][] {
  const byReason = new Map<string, string[]>()
  for (const { test, reason } of differences(results)) {
    const key = reason ?? `not known: ${test.outcome}`
    byReason.set(key, [...byReason.get(key) ?? [], test.name.replace(/^\w[\w-]*\/test-|\.m?js$/g, '')])
  }
  return [...byReason].map(([reason, names]) => [run, reason, names.map((name) => `\`${name}\``).join(' ')])
}
