/** Command line of `tas run`. */

/** What to run, and on which service. */
export interface RunOptions {
  /** Socket of the service; null: TAS_SOCKET, or the default. */
  readonly socket: string | null
  readonly command: string
  readonly args: readonly string[]
}

/** A command line that cannot be. */
export class RunUsageError extends Error {}

export const RUN_HELP = `Usage: tas run [--socket=PATH] [--] COMMAND [ARGUMENT]...

Runs a Node program, and the Node programs that it starts, with their TCP on TAS. Needs a tas that runs.

  --socket=PATH  socket of the service; default: environment variable TAS_SOCKET, else /run/tas.sock
  --help         this text

Rules are in the environment: see docs/interpose.md. Exit code: that of the command; 2 for wrong settings, 1 without a service,
126 if the command cannot be run, 127 if it is not found.
`

/** Parses the command line; null if help is asked for. Throws RunUsageError. */
export function parseRunOptions(argv: readonly string[]): RunOptions | null {
  let socket: string | null = null
  let at = 0
  for (; at < argv.length && argv[at].startsWith('-'); at++) {
    const argument = argv[at]
    if (argument === '--help' || argument === '-h') return null
    if (argument === '--') {
      at++
      break
    }
    if (!argument.startsWith('--socket=') || argument === '--socket=') {
      throw new RunUsageError(`${argument}: is no option of tas run; want --socket=PATH, or -- before a command that begins with "-"`)
    }
    socket = argument.slice('--socket='.length)
  }
  const [command, ...args] = argv.slice(at)
  if (command === undefined) throw new RunUsageError('want a command, as in: tas run node app.js')
  return { socket, command, args }
}
