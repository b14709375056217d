import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { optionsMarkdown } from '../../service/optiondoc.js'

const root = resolve(import.meta.dirname, '../..')
const BEGIN = '<!-- options:begin -->'
const END = '<!-- options:end -->'

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** The tables of docs/options.md, one heading lower. */
function readmeOptions(): string {
  const page = optionsMarkdown()
  return page.slice(page.indexOf('\n## ') + 1).replaceAll(/^## /gm, '### ')
}

/** `readme` with the tables between its two marks. */
function withOptions(readme: string): string {
  const begin = readme.indexOf(BEGIN)
  const end = readme.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`README.md: put the marks ${BEGIN} and ${END} where the options are to stand`)
  return `${readme.slice(0, begin + BEGIN.length)}\n\n${readmeOptions()}\n${readme.slice(end)}`
}

describe('docs/options.md', () => {
  it('whole page -> what the option table says (run with -u to write it anew)', async () => {
    await expect(optionsMarkdown()).toMatchFileSnapshot('../../docs/options.md')
  })
})

describe('README.md', () => {
  it('options -> what the option table says (run with -u to write them anew)', async () => {
    await expect(withOptions(read('README.md'))).toMatchFileSnapshot('../../README.md')
  })

  it('first program -> the text of examples/first-program.ts', () => {
    expect(read('README.md')).toContain(`\`\`\`ts\n${read('examples/first-program.ts').trimEnd()}\n\`\`\``)
  })

  it('congestion control of one\'s own -> docs/congestion-control.md has the text of examples/delay-aimd.ts', () => {
    expect(read('docs/congestion-control.md')).toContain(`\`\`\`ts\n${read('examples/delay-aimd.ts').trimEnd()}\n\`\`\``)
  })

  it('marks of the benchmark -> once each, in order', () => {
    expect(read('README.md').match(/<!-- bench:\w+ -->/g)).toEqual(['<!-- bench:begin -->', '<!-- bench:end -->'])
  })
})
