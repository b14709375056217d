/** Programs that some rows need. They are looked for, never installed. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { bunVersion } from './bun.js'

/** What Debian calls the package of each. */
const PACKAGES = { wrk: 'wrk', 'redis-server': 'redis-server', openssl: 'openssl', perf: 'linux-perf' } as const
export type Tool = keyof typeof PACKAGES

/** Path of a program, or null. Those of the system stand where the path of some users does not lead. */
export function findTool(name: Tool): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  for (const folder of folders) {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return join(folder, name)
    } catch {
      // In the next one, perhaps.
    }
  }
  return null
}

/** Path of a program that is there. Throws Error if it is not. */
export function toolProgram(name: Tool): string {
  const path = findTool(name)
  if (path === null) throw new Error(missingText(name))
  return path
}

function missingText(name: Tool): string {
  return `${name} is not installed (Debian: apt-get install ${PACKAGES[name]})`
}

/** Why a row that needs `tools` cannot be measured here, or null. */
export function missingTools(tools: readonly Tool[]): string | null {
  const missing = tools.filter((name) => findTool(name) === null)
  return missing.length === 0 ? null : missing.map(missingText).join('; ')
}

/** Why Bun is left out, or null. */
export function bunRefused(): string | null {
  return bunVersion() === null ? 'Bun is not installed, or its binary does not run on this CPU' : null
}
