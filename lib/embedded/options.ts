/** Options of an embedded TAS: those of the command line of `tas` that mean something without a service. */
import { UsageError } from '../../service/errors.js'
import { informationAsked, parseOptions, type Options } from '../../service/options.js'
import { OPTION_KEYS, OPTION_TABLE, type OptionKey, type OptionValues } from '../../service/optiontable.js'

/** Options that are about the service and its processes. */
const SERVICE_OPTIONS = [
  'fpCoresMax', 'fpCpus', 'fpNoInts', 'fpNoAutoscale', 'fpNoHugepages', 'fpPollIntervalTas', 'dpdkExtra', 'kniName', 'socketMode', 'readyFd', 'quiet',
] as const satisfies readonly OptionKey[]
type ServiceOption = (typeof SERVICE_OPTIONS)[number]

/** A value as a program gives it: what is a number or a flag is one, everything else is the text of the command line. */
type Given<T> = [T] extends [boolean] ? boolean : [T] extends [number] ? number : T extends readonly unknown[] ? string | readonly string[] : string

/**
 * Options of `createEmbedded`. Names (in camel case), units, defaults and limits are those of `tas`, in docs/options.md;
 * `nic` and `ipAddr` are needed. `logLevel` is 'warn' by default. `socket` is the path of a socket for `tas stat`, `tas state` and `tas trace`;
 * without it they do not see this TAS.
 */
export type EmbeddedOptions = {
  readonly [Key in Exclude<OptionKey, ServiceOption>]?: Given<NonNullable<OptionValues[Key]>> | undefined
} & { readonly nic: string; readonly ipAddr: string | readonly string[] }

/** Warnings and errors only, unless the program wants more: stderr is the program's. */
const DEFAULT_LOG_LEVEL = 'warn'

/** Names of the command line that mean nothing here. */
const REFUSED = new Set(SERVICE_OPTIONS.map((key) => `--${OPTION_TABLE[key].name}`))

function isOptionKey(key: string): key is OptionKey {
  return OPTION_KEYS.some((known) => known === key)
}

/** The command line that says the same. Names that are not known are left to its parser, which suggests others. */
function argumentsFor(key: string, value: unknown): string[] {
  const name = `--${isOptionKey(key) ? OPTION_TABLE[key].name : key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  if (REFUSED.has(name)) throw refusal(name)
  if (isOptionKey(key) && OPTION_TABLE[key].value === '') {
    if (typeof value !== 'boolean') throw new UsageError(`${name}: want true or false`)
    return value ? [name] : []
  }
  const values: readonly unknown[] = Array.isArray(value) ? value : [value]
  return values.map((one) => {
    if (typeof one !== 'string' && typeof one !== 'number') throw new UsageError(`${name}: want text or a number`)
    return `${name}=${one}`
  })
}

function refusal(name: string): UsageError {
  return new UsageError(`${name}: is an option of the service; an embedded TAS has none`)
}

/**
 * Checks a command line as that of `tas` is checked. `socket` is '' unless it is given. Throws UsageError that names the option as that does.
 */
export function readArguments(argv: readonly string[]): Options {
  const asked = informationAsked(argv)
  if (asked !== null) throw new UsageError(`--${asked}: is no option of an embedded TAS; docs/options.md lists them`)
  const names = argv.map((argument) => argument.split('=', 1)[0])
  const refused = names.find((name) => REFUSED.has(name))
  if (refused !== undefined) throw refusal(refused)
  const options = parseOptions([`--log-level=${DEFAULT_LOG_LEVEL}`, ...argv], {})
  return names.includes(`--${OPTION_TABLE.socket.name}`) ? options : { ...options, socket: '' }
}

/** Checks `given` in the same way. Throws UsageError. */
export function readOptions(given: EmbeddedOptions): Options {
  return readArguments(Object.entries(given)
    .filter(([, value]) => value !== undefined)
    .flatMap(([key, value]) => argumentsFor(key, value)))
}
