/** Everything that the benchmark measures beside the fast-path step alone. */
import { BULKS } from './bulk.js'
import { CROWDS } from './crowds.js'
import { ECHOES } from './echo.js'
import { INTERPOSED } from './interposed.js'
import type { Scenario } from './scenario.js'

export type { ProgramName, Row, Scenario } from './scenario.js'

/** All scenarios, in the order of the table. */
export const SCENARIOS: readonly Scenario[] = [...ECHOES, ...BULKS, ...CROWDS, ...INTERPOSED]
