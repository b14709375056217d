/** The user's congestion control, as --cc names it. */
import { UsageError } from './errors.js'
import { isModulePath } from './optionvalues.js'
import type { Algorithm } from './slow/congestion/algorithm.js'
import { loadAlgorithm, ModuleError, requireAlgorithm } from './slow/congestion/loader.js'

/** The module that --cc names, null if it names none. Throws UsageError if it cannot be used. */
export async function loadModule(cc: string): Promise<Algorithm | null> {
  if (!isModulePath(cc)) return null
  try {
    return await loadAlgorithm(cc)
  } catch (error) {
    throw explained(cc, error)
  }
}

/** The same at once, for modules without top-level await. Throws UsageError. */
export function requireModule(cc: string): Algorithm | null {
  if (!isModulePath(cc)) return null
  try {
    return requireAlgorithm(cc)
  } catch (error) {
    throw explained(cc, error)
  }
}

function explained(cc: string, error: unknown): unknown {
  return error instanceof ModuleError ? new UsageError(`--cc: ${JSON.stringify(cc)}: ${error.message}`) : error
}
