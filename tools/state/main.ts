/** `tas state`: prints what a running service holds. The service is asked over its control socket (docs/decisions/0012). */
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FlowQuery } from '../../lib/memif/index.js'
import { withService, type ServiceClient } from '../control/client.js'
import type { Environment } from '../control/commandline.js'
import { connectionRows } from '../control/connections.js'
import { runTool } from '../control/run.js'
import { terminalPaint, write, type Paint } from '../control/terminal.js'
import { formatFlow, formatFlowJson } from './flowtext.js'
import { parseStateOptions, type StateOptions } from './options.js'
import { formatOverview, formatOverviewJson, type Overview } from './overview.js'
import { filterFlows, isFiltered, sortFlows } from './selection.js'

const WATCH_MS = 1_000
/** Cursor to the upper left, and everything behind it cleared. */
const CLEAR_SCREEN = '\u001b[H\u001b[J'

async function fetchOverview(client: ServiceClient, options: StateOptions): Promise<Overview> {
  const numbers = await client.list('flows')
  const apps = await client.list('apps')
  const flows = sortFlows(filterFlows(connectionRows(numbers, apps), options), options.sort)
  if (isFiltered(options)) return { timeMs: Date.now(), flows }
  return {
    timeMs: Date.now(), workers: await client.list('workers'), apps, contexts: await client.list('contexts'),
    listeners: await client.list('listeners'), flows,
  }
}

async function lists(client: ServiceClient, options: StateOptions, paint: Paint): Promise<string> {
  const overview = await fetchOverview(client, options)
  return options.json ? formatOverviewJson(overview) : formatOverview(overview, paint)
}

async function oneFlow(client: ServiceClient, queries: readonly FlowQuery[], options: StateOptions, paint: Paint): Promise<string> {
  for (const query of queries) {
    const detail = await client.flow(query)
    if (detail === null) continue
    const apps = await client.list('apps')
    return options.json ? formatFlowJson(detail, apps, Date.now()) : formatFlow(detail, apps, paint)
  }
  throw new Error('--flow: there is no such flow; tas state lists all')
}

/** Runs `tas state` with its own arguments. Returns the exit code. */
export function runState(argv: readonly string[], env: Environment): Promise<number> {
  return runTool('state', async () => {
    const options = parseStateOptions(argv, env)
    if (options === null) return
    const paint = terminalPaint()
    const clear = options.watch && !options.json && process.stdout.isTTY === true ? CLEAR_SCREEN : ''
    await withService(resolve(options.socket), async (client) => {
      for (;;) {
        const text = await (options.flow === undefined ? lists(client, options, paint) : oneFlow(client, options.flow, options, paint))
        if (!await write(clear + text) || !options.watch) return
        await sleep(WATCH_MS)
      }
    })
  })
}
