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

/** Where the text between the marks `<!-- NAME:begin -->` and `<!-- NAME:end -->` begins and ends. Throws Error if there are none. */
function placeBetween(page: string, name: string): readonly [from: number, to: number] {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`]
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`put the marks ${begin} and ${end} where the table is to stand`)
  return [from + begin.length, to]
}

/** `page` with `text` between its marks `<!-- NAME:begin -->` and `<!-- NAME:end -->`. Throws Error if it has none. */
export function insertBetween(page: string, name: string, text: string): string {
  const [from, to] = placeBetween(page, name)
  return `${page.slice(0, from)}\n${text}\n${page.slice(to)}`
}

/** What stands between the marks `name` of `page`. Throws Error if it has none. */
export function textBetween(page: string, name: string): string {
  return page.slice(...placeBetween(page, name)).trim()
}

/** Writes `text` between the marks `name` of `document`, a path in the package. Throws Error if it has none. */
export function writeBetween(document: string, name: string, text: string): Promise<void> {
  return changeBetween(document, name, () => text)
}

/** Puts what `change` makes of the text between the marks `name` of `document`, a path in the package, in its place. Throws Error if it has none. */
export async function changeBetween(document: string, name: string, change: (before: string) => string): Promise<void> {
  const file = join(packageRoot, document)
  try {
    const page = await readFile(file, 'utf8')
    await writeFile(file, insertBetween(page, name, change(textBetween(page, name))))
  } catch (error) {
    throw new Error(`${document}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
