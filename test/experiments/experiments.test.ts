/** A tiny version of each experiment: it runs, says something of every stated figure, and what it shows at this size is plausible. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { EXPERIMENTS } from '../../experiments/list.js'
import { drawSvg } from '../../experiments/plots/charts.js'
import type { Experiment, Result } from '../../experiments/report/experiment.js'
import { compiled, missing, namespacesRefused, nativeProgram } from '../../tools/netlab/index.js'

const docs = resolve(import.meta.dirname, '../../docs/experiments')
const SEED = 1
const isUnbuilt = missing([compiled('service/main.js'), compiled('tools/linkem/main.js'), nativeProgram('loadgen')]).length > 0
const reason = isUnbuilt ? 'not built: npm run build' : await namespacesRefused()

/** Figures that must be met even in a run of milliseconds: those about what cannot take long to show. */
const MET: Readonly<Record<string, (result: Result) => void>> = {
  dctcp: ({ goals }) => expect(goals.filter(({ what }) => what.startsWith('dctcp-win')).map(({ isMet }) => isMet)).toEqual([true, true]),
  timely: ({ goals }) => expect(goals.find(({ what }) => what.includes('never above'))?.isMet).toBe(true),
  pacing: ({ goals }) => expect(goals.filter(({ isMet }) => !isMet)).toEqual([]),
  cluster: ({ goals }) => expect(goals[0].isMet).toBe(true),
  linkshares: ({ goals }) => expect(goals.length).toBe(3),
  coexistence: ({ goals }) => expect(goals[0].isMet).toBe(true),
  cost: ({ goals }) => expect(goals.find(({ what }) => what.startsWith('idle'))?.isMet).toBe(true),
}

async function check(experiment: Experiment): Promise<void> {
  const said: string[] = []
  const result = await experiment.run({ quick: true, seed: SEED, say: (text) => void said.push(text) })
  expect(said.length).toBeGreaterThan(0)
  expect(result.goals.length).toBeGreaterThan(0)
  MET[experiment.name]?.(result)
  const page = readFileSync(join(docs, `${experiment.name}.md`), 'utf8')
  for (const mark of ['goals', ...result.tables.map(({ name }) => name)]) expect(page).toContain(`<!-- ${mark}:begin -->`)
  for (const chart of result.charts) {
    expect(page).toContain(`](${experiment.name}-${chart.name}.svg)`)
    expect(await drawSvg(chart)).toContain('</svg>')
  }
  expect(readFileSync(join(docs, 'README.md'), 'utf8')).toContain(`<!-- ${experiment.name}:begin -->`)
}

describe('experiments', () => {
  for (const experiment of EXPERIMENTS) {
    const refusal = experiment.needsNetwork === true ? reason : null
    const name = `${experiment.name}: run with --quick -> goals, tables and plots, for which its page has the marks and pictures`
    it.skipIf(refusal !== null)(refusal === null ? name : `${name} (skipped: ${refusal})`, () => check(experiment))
  }
})
