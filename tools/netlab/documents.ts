/** Tables in documents: written by the program that measured them, between two marks. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from './paths.js'

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
