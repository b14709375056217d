/** What the user has chosen: environment variables, and a file for what does not fit there. */
import { readFileSync } from 'node:fs'
import { parseRules, type Rule } from './rules.js'

/** Where a listener on every address (0.0.0.0, ::) listens in the kernel, beside TAS. */
export type KernelListen = 'loopback' | 'all' | 'none'
/** What happens where TAS cannot be put beneath a program because Node lacks something. */
export type WhenMissing = 'kernel' | 'stop'

export interface Settings {
  readonly connect: readonly Rule[]
  readonly listen: readonly Rule[]
  readonly kernelListen: KernelListen
  readonly whenMissing: WhenMissing
  /** Options of the program's own TAS (docs/embedded.md), as on a command line and not checked yet; null: it uses a service. */
  readonly embedded: readonly string[] | null
}

/** A setting that cannot be; the message names it and says what is wanted. */
export class SettingError extends Error {}

type Values = Readonly<Record<string, string | undefined>>
/** A setting as it is given: a text, or in the file a list of texts. */
type Given = string | readonly string[]

/** The environment variable of `Settings.embedded`. */
export const EMBEDDED_VARIABLE = 'TASJS_INTERPOSE_EMBEDDED'

/** Each setting: its environment variable, and its name in the file. */
const NAMES = {
  connect: 'TASJS_INTERPOSE_CONNECT',
  listen: 'TASJS_INTERPOSE_LISTEN',
  kernelListen: 'TASJS_INTERPOSE_KERNEL_LISTEN',
  missing: 'TASJS_INTERPOSE_MISSING',
  embedded: EMBEDDED_VARIABLE,
} as const
type SettingName = keyof typeof NAMES

/** Path of the file, a JSON object of settings: texts, or lists of rules and options. */
export const CONFIG_VARIABLE = 'TASJS_INTERPOSE_CONFIG'

function isName(name: string): name is SettingName {
  return Object.hasOwn(NAMES, name)
}

function givenOf(name: string, value: unknown): Given {
  if (typeof value === 'string') return value
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  throw new SettingError(`${name}: want a text or a list of texts`)
}

function readConfig(path: string): Map<SettingName, Given> {
  const where = `${CONFIG_VARIABLE}: ${path}`
  let content: unknown
  try {
    content = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new SettingError(`${where}: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) throw new SettingError(`${where}: want a JSON object`)
  const values = new Map<SettingName, Given>()
  for (const [name, value] of Object.entries(content)) {
    if (!isName(name)) throw new SettingError(`${where}: "${name}" is no setting; there are ${Object.keys(NAMES).join(', ')}`)
    values.set(name, givenOf(`${where}: ${name}`, value))
  }
  return values
}

function rulesOf(name: string, text: string): Rule[] {
  try {
    return parseRules(text)
  } catch (error) {
    throw new SettingError(`${name}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Every option begins with "--", so that values may have spaces in them. */
function argumentsOf(given: Given): readonly string[] | null {
  const parts = typeof given === 'string' ? given.split(/\s+(?=--)/) : given
  const args = parts.map((part) => part.trim()).filter((part) => part !== '')
  return args.length === 0 ? null : args
}

function oneOf<T extends string>(name: string, value: string, choices: readonly T[]): T {
  const chosen = choices.find((choice) => choice === value)
  if (chosen !== undefined) return chosen
  throw new SettingError(`${name}: ${JSON.stringify(value)}: want ${choices.join(', ')}`)
}

/** Reads the settings; what the environment says goes before the file. Throws SettingError. */
export function readSettings(env: Values): Settings {
  const path = env[CONFIG_VARIABLE] ?? ''
  const config = path === '' ? null : readConfig(path)
  const given = (name: SettingName): Given => env[NAMES[name]] || (config?.get(name) ?? '')
  const valueOf = (name: SettingName, fallback: string): string => [given(name)].flat().join(',') || fallback
  return {
    connect: rulesOf(NAMES.connect, valueOf('connect', '')),
    listen: rulesOf(NAMES.listen, valueOf('listen', '')),
    kernelListen: oneOf(NAMES.kernelListen, valueOf('kernelListen', 'loopback'), ['loopback', 'all', 'none']),
    whenMissing: oneOf(NAMES.missing, valueOf('missing', 'kernel'), ['kernel', 'stop']),
    embedded: argumentsOf(given('embedded')),
  }
}
