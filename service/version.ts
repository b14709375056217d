/** Version of this package. */
import { existsSync, readFileSync } from 'node:fs'

/** Reads the version from the nearest package.json above this file: sources and build stand at different depths. */
export function packageVersion(): string {
  for (const up of ['../package.json', '../../package.json']) {
    const file = new URL(up, import.meta.url)
    if (!existsSync(file)) continue
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version?: unknown }
    if (typeof version === 'string') return version
  }
  throw new Error('package.json of tasjs is missing')
}
