/** Where a function of JavaScript was written, by the name that V8 gives perf (--perf-basic-prof). */
import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A function of JavaScript. */
export interface Source {
  /** Empty for one without a name. */
  readonly name: string
  /** Its file of TypeScript within the package, as in `service/fast/steps.ts`; a module of Node as in `node:net`; otherwise its path. */
  readonly file: string
}

/** Kind, a mark of the tier that it is compiled by, name, file, line and column, both from 1. */
const SYMBOL = /^(?:JS|LazyCompile|Function|Script|Eval):[*+^~]?(.*) (\S+):(\d+):(\d+)$/
const NODE_MODULE = 'node:'
const FILE_URL = 'file://'

/** Looks files of the package up in the source maps beside them, since some are bundles of many modules. */
export class Sources {
  private readonly root: string
  private readonly maps = new Map<string, SourceMap | null>()
  private readonly known = new Map<string, Source | null>()

  /** `root` is the package's folder. */
  constructor(root: string) {
    this.root = root
  }

  /** The function that `symbol` names; null if it is none of JavaScript. */
  of(symbol: string): Source | null {
    const known = this.known.get(symbol)
    if (known !== undefined) return known
    const source = this.find(symbol)
    this.known.set(symbol, source)
    return source
  }

  private find(symbol: string): Source | null {
    const found = SYMBOL.exec(symbol)
    if (found === null) return null
    const [, name, place, line, column] = found
    if (place.startsWith(NODE_MODULE)) return { name, file: place }
    const path = place.startsWith(FILE_URL) ? fileURLToPath(place) : place
    return { name, file: this.sourceFile(path, Number(line) - 1, Number(column) - 1) }
  }

  /** The file in the package that this place of `path` was made of. */
  private sourceFile(path: string, line: number, column: number): string {
    const file = relative(this.root, path)
    if (file.startsWith('..')) return path
    const entry = this.mapOf(path)?.findEntry(line, column)
    if (entry === undefined || !('originalSource' in entry)) return file
    return relative(this.root, join(dirname(path), entry.originalSource))
  }

  private mapOf(path: string): SourceMap | null {
    const known = this.maps.get(path)
    if (known !== undefined) return known
    const map = readMap(`${path}.map`)
    this.maps.set(path, map)
    return map
  }
}

/** Null if there is none. */
function readMap(path: string): SourceMap | null {
  try {
    return new SourceMap(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return null
  }
}
