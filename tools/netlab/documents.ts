/** Tables in documents, as Markdown: written by the program that measured them, between two marks. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from './paths.js'

const NUMBER = /^[-+\d.,\s%x±k]*$/

/** A table with a line for each of `rows`, columns of numbers to the right, and `notes` below it, each on a line of its own. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[], notes: readonly string[] = []): string {
  const rule = head.map((_, column) => (rows.every((row) => NUMBER.test(row[column] ?? '')) ? '--:' : '---'))
  const lines = [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`)
  return notes.length === 0 ? lines.join('\n') : [...lines, '', ...notes.map((note) => `${note}  `)].join('\n').trimEnd()
}

/** `page` with `text` between its marks `<!-- NAME:begin -->` and `<!-- NAME:end -->`. Throws Error if it has none. */
export function insertBetween(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`]
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`put the marks ${begin} and ${end} where the table is to stand`)
  return `${page.slice(0, from + begin.length)}\n${text}\n${page.slice(to)}`
}

/** Writes `text` between the marks `name` of `document`, a path in the package. Throws Error if it has none. */
export async function writeBetween(document: string, name: string, text: string): Promise<void> {
  const file = join(packageRoot, document)
  try {
    await writeFile(file, insertBetween(await readFile(file, 'utf8'), name, text))
  } catch (error) {
    throw new Error(`${document}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
