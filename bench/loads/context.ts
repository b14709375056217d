/** What every load needs to know. */
import type { Cleanup, Lab } from '../../tools/netlab/index.js'

export interface LoadContext {
  readonly lab: Lab
  readonly cleanup: Cleanup
  /** For files. */
  readonly folder: string
  /** The CPU that the client is bound to, or null. */
  readonly clientCpu: number | null
  /** Seconds before the measured ones. */
  readonly warmup: number
  readonly seconds: number
}

/** The command line of a client program, bound to its CPU. */
export function boundToClientCpu(
  { clientCpu }: Pick<LoadContext, 'clientCpu'>, command: string, args: readonly string[],
): { command: string; args: readonly string[] } {
  return clientCpu === null ? { command, args } : { command: 'taskset', args: ['-c', String(clientCpu), command, ...args] }
}
