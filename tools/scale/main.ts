/** `tas scale`: shows the workers of a running service, and sets how many are used. For the user of the service and root. */
import { writeSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ScaleMessage } from '../../lib/memif/index.js'
import { type Answer, Control } from '../control/ask.js'
import { formatScale, formatScaleJson } from './format.js'
import { parseScaleOptions, type ScaleOptions, ScaleUsageError } from './options.js'

/** Exit codes: as those of the service. */
const EXIT_ENVIRONMENT = 1
const EXIT_USAGE = 2

function complain(message: string): void {
  writeSync(2, `tas scale: ${message.replaceAll(/\s+/g, ' ').trim()}\n`)
}

function isWorker(value: unknown): boolean {
  const fields = typeof value === 'object' && value !== null ? { ...value } as Answer : {}
  return ['groups', 'flows', 'load'].every((name) => typeof fields[name] === 'number')
}

function isScale(answer: Answer): answer is Answer & ScaleMessage {
  const { auto, active, workers } = answer
  return typeof auto === 'boolean' && typeof active === 'number' && Array.isArray(workers) && workers.every(isWorker)
}

async function scale({ socket, json, workers }: ScaleOptions): Promise<string> {
  const request = workers === undefined ? { op: 'scale' as const } : { op: 'scale' as const, workers }
  const answer = await Control.with(resolve(socket), 'scale it', (control) => control.ask(request))
  if (!isScale(answer)) throw new Error("the service answers in another way; use the service's own tas command")
  return json ? formatScaleJson(answer) : formatScale(answer)
}

/** Runs `tas scale` with its own arguments. Returns the exit code. */
export async function runScale(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<number> {
  try {
    const options = parseScaleOptions(argv, env)
    if (options !== null) process.stdout.write(await scale(options))
    return 0
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error))
    return error instanceof ScaleUsageError ? EXIT_USAGE : EXIT_ENVIRONMENT
  }
}
