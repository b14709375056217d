/** The program's own TAS (lib/embedded), checked now and made later. */
import { createRequire } from 'node:module'
import type { PreparedTas } from '../embedded/prepared.js'
import { TasError } from '../tas/index.js'
import { SettingError } from './settings.js'

const require = createRequire(import.meta.url)

/** Checks options as those of a command line. Throws SettingError that names the option. */
export function prepare(args: readonly string[]): PreparedTas {
  // Not imported: loading it takes longer than all the rest, and programs on a service have no use for it.
  const { prepareEmbedded } = require('../embedded/prepared.js') as typeof import('../embedded/prepared.js')
  try {
    return prepareEmbedded(args)
  } catch (error) {
    if (!(error instanceof TasError)) throw error
    throw new SettingError(`embedded TAS: ${error.cause instanceof Error ? error.cause.message : error.message}`)
  }
}
