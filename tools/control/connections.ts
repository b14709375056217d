/** Connections as people see them: numbers of the service made texts, with the program that has each. */
import { flowOfNumbers, TCP_STATES, type AppRow, type FlowRow } from '../../lib/memif/index.js'
import { formatIpv4Address } from '../../lib/wire/index.js'
import type { ServiceClient } from './client.js'

/** One connection: addresses as text, its application (0 for none), and all of INFO_NAMES. */
export type ConnectionRow = Omit<FlowRow, 'state' | 'localIp' | 'localPort' | 'remoteIp' | 'remotePort'> & {
  readonly state: string
  readonly local: string
  readonly remote: string
  readonly pid: number
  readonly name: string
}

/** An address and port as text. */
export function endpoint(ip: number, port: number): string {
  return `${formatIpv4Address(ip)}:${port}`
}

/** Rows of the part 'flows' with their programs, of those of the part 'apps'. */
export function connectionRows(flows: readonly (readonly number[])[], apps: readonly AppRow[]): ConnectionRow[] {
  const programs = new Map(apps.map((app) => [app.app, app]))
  return flows.map((numbers) => {
    const { state, localIp, localPort, remoteIp, remotePort, ...others } = flowOfNumbers(numbers)
    const program = programs.get(others.app)
    return {
      state: TCP_STATES[state] ?? String(state), local: endpoint(localIp, localPort), remote: endpoint(remoteIp, remotePort),
      pid: program?.pid ?? 0, name: program?.name ?? '', ...others,
    }
  })
}

/** All connections of a service. Throws Error. */
export async function fetchConnections(client: ServiceClient): Promise<ConnectionRow[]> {
  // Programs after their connections: one that came meanwhile is known then.
  const flows = await client.list('flows')
  return connectionRows(flows, await client.list('apps'))
}
