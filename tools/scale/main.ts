/** `tas scale`: shows the workers of a running service, and sets how many are used. For the user of the service and root. */
import { resolve } from 'node:path'
import type { ScaleMessage } from '../../lib/memif/index.js'
import { withService } from '../control/client.js'
import type { Environment } from '../control/commandline.js'
import { runTool } from '../control/run.js'
import { terminalPaint } from '../control/terminal.js'
import { formatScale, formatScaleJson } from './format.js'
import { parseScaleOptions, type ScaleOptions } from './options.js'

type Fields = Readonly<Record<string, unknown>>

function isWorker(value: unknown): boolean {
  const fields: Fields = typeof value === 'object' && value !== null ? { ...value } : {}
  return ['groups', 'flows', 'load'].every((name) => typeof fields[name] === 'number')
}

function isScale(message: Fields): message is Fields & ScaleMessage {
  const { auto, active, workers } = message
  return typeof auto === 'boolean' && typeof active === 'number' && Array.isArray(workers) && workers.every(isWorker)
}

async function scale({ socket, json, workers }: ScaleOptions): Promise<string> {
  const request = workers === undefined ? { op: 'scale' as const } : { op: 'scale' as const, workers }
  const { message } = await withService(resolve(socket), (client) => client.ask(request))
  if (!isScale(message)) throw new Error("the service answers in another way; use the service's own tas command")
  return json ? formatScaleJson(message) : formatScale(message, terminalPaint())
}

/** Runs `tas scale` with its own arguments. Returns the exit code. */
export function runScale(argv: readonly string[], env: Environment): Promise<number> {
  return runTool('scale', async () => {
    const options = parseScaleOptions(argv, env)
    if (options !== null) process.stdout.write(await scale(options))
  })
}
