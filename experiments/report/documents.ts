/** Results as files: a page for each experiment, whose tables are written between marks, its plots, its numbers. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { insertBetween, markdownTable } from '../../tools/netlab/documents.js'
import { drawSvg } from '../plots/charts.js'
import type { Experiment, Result } from './experiment.js'
import { goalsText, verdict } from './markdown.js'

/** Numbers as JSON: digits beyond the sixth are noise and make files large. */
export function jsonText(data: unknown): string {
  const rounded = (_key: string, value: unknown): unknown => (typeof value === 'number' ? Number(value.toPrecision(6)) : value)
  return `${JSON.stringify(data, rounded, 1)}\n`
}

/** Writes plots and numbers into `folder`; if it has the experiment's page, its tables as well. Throws Error if that lacks a mark. */
export async function writeResult(folder: string, { name, title }: Experiment, result: Result, conditions: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const chart of result.charts) await writeFile(join(folder, `${name}-${chart.name}.svg`), await drawSvg(chart))
  await writeFile(join(folder, `${name}.json`), jsonText({ title, conditions, goals: result.goals, data: result.data }))
  await editPage(join(folder, `${name}.md`), (page) => {
    const tables = result.tables.map((table) => [table.name, markdownTable(table.head, table.rows)] as const)
    return [['goals', `${goalsText(result.goals)}\n\n${conditions}`] as const, ...tables]
      .reduce((text, [mark, content]) => insertBetween(text, mark, content), page)
  })
}

/** Writes the verdict on an experiment into the list of all: between the marks of its name. */
export async function writeVerdict(folder: string, { name }: Experiment, { goals }: Result): Promise<void> {
  const met = goals.filter(({ isMet }) => isMet).length
  const text = `${met} of ${goals.length} stated figures: ${verdict(met === goals.length)}`
  await editPage(join(folder, 'README.md'), (page) => insertBetween(page, name, text))
}

async function editPage(file: string, edit: (page: string) => string): Promise<void> {
  let page: string
  try {
    page = await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
    throw error
  }
  try {
    await writeFile(file, edit(page))
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
