/** Steps that are announced, timed, and shown with their output when they fail. */
import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Folder that holds package.json. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

const TICK_MS = 1000
/** Without a terminal a line is printed this often, so that a log shows life without being flooded. */
const PLAIN_TICK_MS = 15_000
const OUTPUT_LINES = 60

/** A failure that the user can do something about: printed without a stack. */
export class SetupError extends Error {
  /** @param {string} message @param {number} exitCode 1 environment, 2 usage */
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Shows how long a step has been running. Returns a function that ends it with a last word. @param {string} title */
function showProgress(title) {
  const start = performance.now()
  const seconds = () => ((performance.now() - start) / 1000).toFixed(0)
  const isTerminal = process.stderr.isTTY === true
  process.stderr.write(`setup: ${title} ...${isTerminal ? '' : '\n'}`)
  const tick = () => {
    process.stderr.write(isTerminal ? `\rsetup: ${title} ... ${seconds()} s` : `setup: ${title}: ${seconds()} s\n`)
  }
  const timer = setInterval(tick, isTerminal ? TICK_MS : PLAIN_TICK_MS)
  return word => {
    clearInterval(timer)
    const took = `${((performance.now() - start) / 1000).toFixed(1)} s`
    process.stderr.write(`${isTerminal ? '\r' : ''}setup: ${title}: ${word} (${took})${isTerminal ? '\x1b[K' : ''}\n`)
  }
}

/**
 * Runs a command as an announced step. Its output is shown only if it fails.
 * @param {string} title what is being done, as in "compiling TypeScript"
 * @param {string} command
 * @param {readonly string[]} args
 * @param {Record<string, string>} env added to the environment
 */
export async function step(title, command, args, env = {}) {
  const finish = showProgress(title)
  const { code, output } = await runQuietly(command, args, env)
  finish(code === 0 ? 'done' : 'FAILED')
  if (code === 0) return
  const lines = output.trimEnd().split('\n')
  const shown = lines.slice(-OUTPUT_LINES).join('\n')
  throw new SetupError(`${shown}\nsetup: ${title} failed with exit code ${code}: ${command} ${args.join(' ')}`)
}

/**
 * Runs a command and returns its exit code (127 if there is no such command) and its output.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {Record<string, string>} env
 * @returns {Promise<{ code: number, output: string }>}
 */
export function runQuietly(command, args, env = {}) {
  return new Promise(resolve => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    let output = ''
    child.stdout.on('data', text => { output += text })
    child.stderr.on('data', text => { output += text })
    child.on('error', error => resolve({ code: 127, output: error.message }))
    child.on('close', code => resolve({ code: code ?? 1, output }))
  })
}
