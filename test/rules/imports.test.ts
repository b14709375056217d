import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')

/** Who may import whom, beside the own folder: the table of CONTRIBUTING.md. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'lib/wire': [],
  'lib/memif': [],
  native: [],
  'service/slow': ['lib/memif', 'lib/wire', 'native'],
  'service/fast': ['lib/memif', 'lib/wire', 'native'],
  service: ['service/slow', 'service/fast', 'lib/memif', 'lib/wire', 'native', 'tools', 'tools/run'],
  'lib/tas': ['lib/memif', 'native'],
  'lib/embedded': ['lib/memif', 'lib/tas', 'native', 'service', 'service/slow', 'service/fast'],
  'lib/interpose': ['lib/tas', 'lib/embedded'],
  'lib/sockets': ['lib/tas', 'native'],
  tools: ['lib/memif', 'lib/wire', 'native'],
  'tools/run': ['lib/interpose', 'lib/tas'],
  examples: ['lib/tas', 'lib/sockets'],
  'experiments/plots': [],
  experiments: [
    'lib/memif', 'lib/wire', 'lib/tas', 'native', 'service', 'service/slow', 'service/fast', 'tools', 'bench', 'test', 'experiments/plots',
  ],
  bench: [
    'lib/memif', 'lib/wire', 'lib/tas', 'lib/embedded', 'native', 'service', 'service/slow', 'service/fast', 'tools', 'test', 'experiments/plots',
  ],
  test: [
    'lib/memif', 'lib/wire', 'lib/tas', 'lib/embedded', 'lib/interpose', 'lib/sockets', 'native', 'service', 'service/slow', 'service/fast', 'tools',
    'tools/run', 'examples', 'bench', 'experiments', 'experiments/plots',
  ],
}

/** What an embedded TAS takes of `service`: options and what is made from them, and what tools look at; none of its processes and applications. */
const EMBEDDED_TAKES = new Set([
  'congestionmodule', 'control/client', 'control/clienterror', 'control/inquiries', 'control/server', 'counters', 'errors', 'gcpauses', 'log', 'memory',
  'nativesystem', 'options', 'optiontable', 'ports', 'randomness', 'sizes', 'slowconfig', 'socketfile', 'system', 'trace', 'undo',
].map((name) => `service/${name}.js`))

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
}

/** The folder of the table that a file belongs to: the longest that fits. */
function roomOf(path: string): string {
  const rooms = Object.keys(MAY_IMPORT).filter((room) => path.startsWith(`${room}/`))
  return rooms.sort((a, b) => b.length - a.length)[0] ?? path
}

function imports(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) => relative(root, resolve(root, dirname(path), match[1])))
}

describe('import rules', () => {
  const rooms = Object.keys(MAY_IMPORT)

  it.each(rooms)('%s: every import -> the own folder or one that it may enter', (room) => {
    const files = sources(room).filter((path) => roomOf(path) === room)
    expect(files.length).toBeGreaterThan(0)
    for (const path of files) {
      for (const target of imports(path)) {
        const entered = roomOf(target)
        expect(entered === room || MAY_IMPORT[room].includes(entered), `${path} imports ${target}`).toBe(true)
      }
    }
  })

  it('lib/embedded: an import from service -> one of the parts that need no service', () => {
    const targets = sources('lib/embedded').flatMap(imports).filter((target) => roomOf(target) === 'service')
    expect(targets.length).toBeGreaterThan(0)
    expect(targets.filter((target) => !EMBEDDED_TAKES.has(target))).toEqual([])
  })

  it('lib/interpose: lib/embedded -> from one file, by its entry for programs that cannot wait', () => {
    const importing = sources('lib/interpose').filter((path) => imports(path).some((target) => roomOf(target) === 'lib/embedded'))
    expect(importing).toEqual(['lib/interpose/embedded.ts'])
    const targets = imports(importing[0]).filter((target) => roomOf(target) === 'lib/embedded')
    expect(new Set(targets)).toEqual(new Set(['lib/embedded/prepared.js']))
  })

  // lib/tas is bundled into its index.js: a value imported from another of its files would be there a second time.
  it('lib/sockets: values of lib/tas -> from its index alone', () => {
    for (const path of sources('lib/sockets')) {
      for (const target of imports(path)) {
        if (target.startsWith('lib/tas/')) expect(target, path).toBe('lib/tas/index.js')
      }
    }
  })
})
