/** What the examples share: command line, clear failures, an end on SIGINT and SIGTERM. */
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { Tas } from 'tasjs'
import { createEmbedded } from 'tasjs/embedded'

export type OptionValues = Readonly<Record<string, string | boolean | undefined>>

/** Parses the command line. Prints `usage` for --help; a mistake is told in one line and ends the program with 2. */
export function parseCommandLine(usage: string, options: NonNullable<ParseArgsConfig['options']>, positionals = 0) {
  try {
    const parsed = parseArgs({ options: { ...options, help: { type: 'boolean' } }, allowPositionals: positionals > 0 })
    const values: OptionValues = { ...parsed.values }
    if (values['help'] === true) {
      console.log(usage)
      process.exit(0)
    }
    if (parsed.positionals.length !== positionals) fail(new Error(usage.split('\n', 1)[0]), 2)
    return { values, positionals: parsed.positionals }
  } catch (error) {
    // The first sentence names the option; the others are for the programmer.
    const what = error instanceof Error ? error.message.split('. ', 1)[0] : String(error)
    return fail(new Error(`${what}; see --help`), 2)
  }
}

/** An option that is a whole number from `least` to `most`. */
export function numberOption(values: OptionValues, name: string, fallback: number, least: number, most: number): number {
  const text = values[name]
  if (text === undefined) return fallback
  const value = Number(text)
  if (text !== '' && Number.isInteger(value) && value >= least && value <= most) return value
  return fail(new Error(`--${name}: ${JSON.stringify(text)}: want a whole number from ${least} to ${most}`), 2)
}

/** An option that is a text. */
export function stringOption(values: OptionValues, name: string, fallback: string): string {
  const text = values[name]
  return typeof text === 'string' ? text : fallback
}

/** Options that say which TAS is used, and what a usage text says of them. */
export const TAS_OPTIONS = { socket: { type: 'string' }, nic: { type: 'string' }, 'ip-addr': { type: 'string' } } as const
export const TAS_USAGE = `  --socket PATH      socket of the TAS service (default: $TAS_SOCKET, then /run/tas.sock)
  --nic NAME         no service: a TAS within this program, on interface NAME or tap:NAME
  --ip-addr ADDR/PREFIXLEN  its address, with --nic; --socket is then made for tas stat, tas state and tas trace`

/** Connects to the TAS service, or with --nic makes a TAS of this program's own. Options that do not go together end the program. Throws TasError. */
export async function openTas(values: OptionValues, name: string): Promise<Tas> {
  const { socket, nic, 'ip-addr': ipAddr } = values
  const named = typeof socket === 'string' ? { socket } : {}
  if (typeof nic === 'string') {
    if (typeof ipAddr !== 'string') return fail(new Error('--nic: want --ip-addr beside it, as in --ip-addr 10.0.0.1/24'), 2)
    return createEmbedded({ nic, ipAddr, ...named })
  }
  if (ipAddr !== undefined) return fail(new Error('--ip-addr: is for a TAS within this program; want --nic beside it'), 2)
  return Tas.connect({ name, ...named })
}

/** Tells an error in one line and ends the program. */
export function fail(error: unknown, exitCode = 1): never {
  console.error(error instanceof Error ? error.message : String(error))
  process.exit(exitCode)
}

/** Calls `stop` on the first SIGINT or SIGTERM; a second one ends the program at once. */
export function onSignal(stop: () => void): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.once(signal, () => process.exit(130))
      stop()
    })
  }
}
