/** Command line of `tas run`. */
import { resolve } from 'node:path'

/** What to run, and on which TAS. */
export interface RunOptions {
  /** Socket of the service; null: TAS_SOCKET, or the default. */
  readonly socket: string | null
  /** Options of a TAS of the program's own, not checked, the socket for tools among them; none: it is on a service, unless the settings say otherwise. */
  readonly embedded: readonly string[]
  readonly command: string
  readonly args: readonly string[]
}

/** A command line that cannot be. */
export class RunUsageError extends Error {}

export const RUN_HELP = `Usage: tas run [--socket=PATH] [--] COMMAND [ARGUMENT]...
       tas run --nic=NAME --ip-addr=ADDR/PREFIXLEN [OPTION]... [--] COMMAND [ARGUMENT]...

Runs a Node program with its TCP on TAS. The first form needs a tas that runs, and is for the Node programs that it starts as well. The second
needs none: the program has a TAS of its own within its process. That is for one process and its main thread; others use the kernel's TCP.

  --socket=PATH               socket of the service; default: environment variable TAS_SOCKET, else /run/tas.sock
  --nic=NAME                  the program's own TAS: its network interface, which is up, or tap:NAME
  --ip-addr=ADDR/PREFIXLEN    its address, which nobody else has
  --socket=PATH               beside these: a socket that is made for tas stat, tas state and tas trace; default: none
  OPTION                      as of tas (tas --help), but for those of the service and its workers (docs/embedded.md)
  --help                      this text

Rules are in the environment: see docs/interpose.md. Exit code: that of the command; 2 for wrong settings, 1 without a service or where the
program's own TAS cannot be, 126 if the command cannot be run, 127 if it is not found.
`

const SOCKET = '--socket='

/** Programs that are started in another folder are to find the same module of --cc. */
function withAbsolutePath(argument: string): string {
  return argument.replace(/^--cc=(.*\/.*)$/, (_, path: string) => `--cc=${resolve(path)}`)
}

/** Parses the command line; null if help is asked for. Throws RunUsageError. */
export function parseRunOptions(argv: readonly string[]): RunOptions | null {
  let socket: string | null = null
  const embedded: string[] = []
  let at = 0
  for (; at < argv.length && argv[at].startsWith('-'); at++) {
    const argument = argv[at]
    if (argument === '--help' || argument === '-h') return null
    if (argument === '--') {
      at++
      break
    }
    if (argument === '--socket') throw new RunUsageError('--socket: want its path behind "=", as in --socket=/run/tas.sock')
    if (argument.startsWith(SOCKET)) socket = argument.slice(SOCKET.length)
    else embedded.push(withAbsolutePath(argument))
  }
  if (socket === '') throw new RunUsageError('--socket: value is missing; want the path of a socket')
  const [command, ...args] = argv.slice(at)
  if (command === undefined) throw new RunUsageError('want a command, as in: tas run node app.js')
  if (socket === null || embedded.length === 0) return { socket, embedded, command, args }
  return { socket: null, embedded: [...embedded, SOCKET + resolve(socket)], command, args }
}
