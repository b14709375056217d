/** The program `bun`, of the npm package of that name. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../tools/netlab/index.js'

/** Where npm puts it: the package's own place when its install script has run, else that of the package for a kind of CPU. */
function candidates(): string[] {
  const modules = join(packageRoot, 'node_modules')
  const kinds = existsSync(join(modules, '@oven')) ? readdirSync(join(modules, '@oven')) : []
  // The baseline kind runs without AVX2, but slower: it comes last.
  const sorted = kinds.sort((a, b) => Number(a.endsWith('-baseline')) - Number(b.endsWith('-baseline')))
  return [join(modules, 'bun', 'bin', 'bun.exe'), ...sorted.map((kind) => join(modules, '@oven', kind, 'bin', 'bun'))]
}

interface Found { readonly file: string; readonly version: string }

let found: Found | null | undefined

function find(): Found | null {
  if (found !== undefined) return found
  found = null
  for (const file of candidates().filter((path) => existsSync(path))) {
    const { status, stdout } = spawnSync(file, ['--version'], { encoding: 'utf8' })
    if (status !== 0) continue
    found = { file, version: stdout.trim() }
    break
  }
  return found
}

/** Its version, or null if none of those that are installed runs here: there may be none for this CPU. */
export function bunVersion(): string | null {
  return find()?.version ?? null
}

/** Path of the one that runs. Throws Error if there is none. */
export function bunProgram(): string {
  const bun = find()
  if (bun === null) throw new Error('bun: not installed, or its binary does not run on this CPU (npm install brings it)')
  return bun.file
}
