/** How a tool ends: its exit code, and one line that says why. */
import { writeSync } from 'node:fs'
import { ToolUsageError } from './commandline.js'

/** Exit codes: as those of the service. */
const EXIT_ENVIRONMENT = 1
const EXIT_USAGE = 2

/** Runs `body` for the tool `name`. What it throws is printed as one line. Returns the exit code. */
export async function runTool(name: string, body: () => Promise<void>): Promise<number> {
  // A reader that goes away (head, less) ends the output, not the program with a trace.
  process.stdout.on('error', () => undefined)
  try {
    await body()
    return 0
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    writeSync(2, `tas ${name}: ${message.replaceAll(/\s+/g, ' ').trim()}\n`)
    return error instanceof ToolUsageError ? EXIT_USAGE : EXIT_ENVIRONMENT
  }
}
