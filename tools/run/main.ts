/** `tas run`: starts a program with `tasjs/interpose` in it, its settings checked. */
import { type ChildProcess, spawn } from 'node:child_process'
import { writeSync } from 'node:fs'
import { constants } from 'node:os'
import { resolve } from 'node:path'
import { prepare } from '../../lib/interpose/embedded.js'
import { EMBEDDED_VARIABLE, readSettings, SettingError } from '../../lib/interpose/settings.js'
import { DEFAULT_SOCKET, Tas, TasError } from '../../lib/tas/index.js'
import { parseRunOptions, RUN_HELP, type RunOptions, RunUsageError } from './options.js'

type Environment = Readonly<Record<string, string | undefined>>

const EXIT_ENVIRONMENT = 1
const EXIT_USAGE = 2
/** As shells have it. */
const EXIT_NOT_EXECUTABLE = 126
const EXIT_NOT_FOUND = 127
const INTERPOSE = new URL('../../lib/interpose/index.js', import.meta.url).href
/** Passed on to the program. */
const SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGWINCH'] as const
/** A terminal sends these to the program itself. */
const TERMINAL_SIGNALS = ['SIGINT', 'SIGQUIT'] as const

function complain(message: string): void {
  writeSync(2, `tas run: ${message.replaceAll(/\s+/g, ' ').trim()}\n`)
}

/** The environment of the program. */
export function runEnvironment(env: Environment, socket: string, embedded: readonly string[]): Environment {
  const nodeOptions = `${env['NODE_OPTIONS'] ?? ''} --import ${INTERPOSE}`.trim()
  const own = embedded.length === 0 ? {} : { [EMBEDDED_VARIABLE]: embedded.join(' ') }
  return { ...env, NODE_OPTIONS: nodeOptions, TAS_SOCKET: resolve(socket), ...own }
}

/** Makes a TAS of the program's own. Throws SettingError, which helps those who write values as other tools take them, or TasError. */
function makeOwn(embedded: readonly string[]): Tas {
  try {
    return prepare(embedded).open()
  } catch (error) {
    if (!(error instanceof SettingError) || embedded.every((argument) => argument.includes('='))) throw error
    throw new SettingError(`${error.message}; values stand behind "=", as in --nic=eth0: tas run --help`)
  }
}

/** Reaches the service, or makes the program's own TAS and takes it back. Throws SettingError or TasError if the program could not run on it. */
function check(options: RunOptions, env: Environment, socket: string): void {
  const { embedded } = readSettings(env)
  if (embedded !== null && options.socket !== null) {
    throw new RunUsageError(`--socket: names a service, and the settings want a TAS of the program's own (${EMBEDDED_VARIABLE}); want one of the two`)
  }
  const tas = embedded === null ? Tas.connect({ socket, name: 'tas run' }) : makeOwn(embedded)
  tas.close()
}

function passSignals(child: ChildProcess): void {
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal))
  for (const signal of TERMINAL_SIGNALS) {
    process.on(signal, () => { if (process.stdin.isTTY !== true) child.kill(signal) })
  }
}

/** Ends as the program has ended. */
function endAs(code: number | null, signal: NodeJS.Signals | null): void {
  if (signal === null) {
    process.exitCode = code ?? EXIT_ENVIRONMENT
    return
  }
  for (const name of [...SIGNALS, ...TERMINAL_SIGNALS]) process.removeAllListeners(name)
  process.exitCode = 128 + constants.signals[signal]
  process.kill(process.pid, signal)
}

function start({ command, args }: RunOptions, env: Environment): Promise<void> {
  return new Promise((done) => {
    const child = spawn(command, args, { stdio: 'inherit', env })
    child.once('error', (error: NodeJS.ErrnoException) => {
      complain(`${command}: ${error.code === 'ENOENT' ? 'there is no such command' : error.message}`)
      process.exitCode = error.code === 'ENOENT' ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE
      done()
    })
    child.once('spawn', () => passSignals(child))
    child.once('exit', (code, signal) => {
      endAs(code, signal)
      done()
    })
  })
}

/** Runs `tas run` with its arguments; sets the exit code. */
export async function runRun(argv: readonly string[], env: Environment): Promise<void> {
  try {
    const options = parseRunOptions(argv)
    if (options === null) {
      process.stdout.write(RUN_HELP)
      return
    }
    const socket = options.socket ?? (env['TAS_SOCKET'] || DEFAULT_SOCKET)
    const environment = runEnvironment(env, socket, options.embedded)
    check(options, environment, socket)
    await start(options, environment)
  } catch (error) {
    if (!(error instanceof RunUsageError || error instanceof SettingError || error instanceof TasError)) throw error
    complain(error.message)
    process.exitCode = error instanceof TasError ? EXIT_ENVIRONMENT : EXIT_USAGE
  }
}
