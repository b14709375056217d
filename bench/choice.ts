/** What can be measured on this machine of what is wanted, and why the rest cannot. */
import { connectionsRefused, SERVER_TITLES, type ServerName } from './contenders.js'
import { bunRefused, missingTools } from './needs.js'
import type { Miss } from './results.js'
import type { Scenario } from './rows/index.js'

export interface Choice {
  readonly scenarios: readonly Scenario[]
  readonly servers: readonly ServerName[]
  readonly leftOut: readonly Miss[]
  /** Whether a scenario of them can be measured on a server of them. */
  canTake(scenario: Scenario, server: ServerName): boolean
}

/** More want a higher limit of open files than usual. */
const MANY_CONNECTIONS = 5000

/** The connections that a server is asked for, if they are many; otherwise undefined. */
export function manyConnections({ load }: Scenario): number | undefined {
  const { connections = 1 } = load.kind === 'native' ? load.options : {}
  return connections > MANY_CONNECTIONS ? connections : undefined
}

/** TAS needs no descriptors for connections. */
function isOnKernel(server: ServerName): boolean {
  return server !== 'tas' && server !== 'tasEmbedded'
}

function refusal(scenario: Scenario): string | null {
  const connections = manyConnections(scenario)
  return connections === undefined ? null : connectionsRefused(connections)
}

/** Sorts out `wanted` scenarios and servers. */
export function choose(wanted: readonly Scenario[], wantedServers: readonly ServerName[]): Choice {
  const leftOut: Miss[] = []
  const leaveOut = (what: string, reason: string | null): boolean => {
    if (reason !== null) leftOut.push({ what, reason })
    return reason !== null
  }
  const servers = wantedServers.filter((server) => server !== 'bun' || !leaveOut('Bun', bunRefused()))
  const scenarios = wanted.filter(({ name, needs = [] }) => !leaveOut(name, missingTools(needs)))
  const refused = new Set(scenarios.filter((scenario) => {
    const taking = scenario.servers.filter((server) => isOnKernel(server) && servers.includes(server))
    return taking.length > 0 && leaveOut(`${scenario.name} of ${taking.map((server) => SERVER_TITLES[server]).join(', ')}`, refusal(scenario))
  }))
  return { scenarios, servers, leftOut, canTake: (scenario, server) => !refused.has(scenario) || !isOnKernel(server) }
}
