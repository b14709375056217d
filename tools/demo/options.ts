/** Command line of the demonstration. */
import { parseArgs } from 'node:util'

export interface DemoOptions {
  readonly keep: boolean
  /** No service: each program has a TAS of its own. */
  readonly embedded: boolean
  readonly help: boolean
}

export const HELP = `usage: npm run demo -- [options]

Makes two network namespaces joined by a veth pair, starts TAS on one end with default options, and has the Linux
kernel on the other end talk to it: ping, HTTP both ways, thousands of connections, a short benchmark. Everything that
comes over is compared. Exit code 0 only if all of it held. Everything made is removed again.

  --embedded  no service: each program on TAS has a TAS of its own (docs/embedded.md)
  --keep      leave namespaces, tas and an HTTP server on it running, and print commands to play with
  --help      this text
`

/** A command line that makes no sense. */
export class DemoUsageError extends Error {}

/** Parses the command line. Throws DemoUsageError naming the option. */
export function parseOptions(argv: readonly string[]): DemoOptions {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        keep: { type: 'boolean', default: false }, embedded: { type: 'boolean', default: false }, help: { type: 'boolean', default: false },
      },
    })
    return values
  } catch (error) {
    const what = error instanceof Error ? error.message.split('. ')[0] : String(error)
    throw new DemoUsageError(`demo: ${what}; see npm run demo -- --help`)
  }
}
