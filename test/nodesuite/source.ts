/** The tests of a Node's source: which of them open sockets, and a copy in which they do so at an address of ours. */
import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'

const FOLDERS = ['parallel', 'sequential', 'async-hooks', 'client-proxy', 'report']
/** What the tests need beside them. */
const COMPANIONS = ['common', 'fixtures', 'embedding', 'cctest']
const SOCKETS = /(require\(|from )['"](node:)?(net|http|https|tls|http2|cluster)['"]|\bfetch\(|createServer/
const LOCAL = '127.0.0.1'

/** Programs in `folder` and below; none if it is not there: a source of Debian's lacks some. */
async function files(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch((error: NodeJS.ErrnoException) => {
    missing(error)
    return []
  })
  return entries.filter((entry) => entry.isFile() && /\.m?js$/.test(entry.name)).map((entry) => join(entry.parentPath, entry.name))
}

/** Names (`parallel/test-net-....js`) of the tests in `suite`, the folder `test` of a source, that open sockets. Throws Error if there are none. */
export async function socketTests(suite: string): Promise<string[]> {
  const found: string[] = []
  for (const folder of FOLDERS) {
    const names = await readdir(join(suite, folder)).catch(() => [])
    for (const name of names.filter((each) => /^test-.*\.m?js$/.test(each)).sort()) {
      if (SOCKETS.test(await readFile(join(suite, folder, name), 'utf8'))) found.push(`${folder}/${name}`)
    }
  }
  if (found.length === 0) throw new Error(`--source: no tests in ${suite}: it must be the unpacked source of Node, or the folder test in it`)
  return found
}

/** Copies what the tests need from `suite` to `to`, with `address` for 127.0.0.1. Leaves out what is left once `isWanted` says no. */
export async function copyWithAddress(suite: string, to: string, address: string, isWanted = (): boolean => true): Promise<void> {
  for (const folder of [...FOLDERS, ...COMPANIONS]) await cp(join(suite, folder), join(to, folder), { recursive: true, filter: isWanted }).catch(missing)
  for (const folder of [...FOLDERS, 'common']) {
    for (const file of await files(join(to, folder))) {
      if (!isWanted()) return
      const text = await readFile(file, 'utf8')
      if (text.includes(LOCAL)) await writeFile(file, text.replaceAll(LOCAL, address))
    }
  }
}

/** Which Node's the tests in `suite` are, as the name of the source's folder has it (`node-v22.22.2`, `nodejs-20.19.2`). */
export function versionOf(suite: string): string {
  const [version = 'an unknown version'] = /\d+\.\d+\.\d+(?=[^/]*(\/test)?\/?$)/.exec(resolve(suite)) ?? []
  return version
}

function missing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}

/** The command line that a test asks for (`// Flags: ...`). */
export function flagsOf(text: string): string[] {
  return [...text.matchAll(/^\/\/ Flags:(.*)$/gm)].flatMap(([, flags = '']) => flags.trim().split(/\s+/))
}
