/** The tasks themselves. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { findPrivileges, unshared } from './privileges.mjs'
import { root, SetupError } from './steps.mjs'

/** Compiled programs that are tasks. */
const PROGRAMS = {
  demo: join('tools', 'demo', 'main.js'),
  bench: join('bench', 'main.js'),
  'bench:flood': join('bench', 'flood.js'),
  'bench:linkem': join('bench', 'linkem.js'),
  'bench:sweep': join('bench', 'sweep.js'),
  'bench:loss': join('bench', 'loss.js'),
  'bench:profile': join('bench', 'profile.js'),
  interop: join('test', 'interop', 'main.js'),
  nodesuite: join('test', 'nodesuite', 'main.js'),
}

/** Those of which only a part needs a network: that part says so where it is forbidden. */
const MIXED_PROGRAMS = { experiments: join('experiments', 'main.js') }

/** Those that need no network and so no privileges. */
const PLAIN_PROGRAMS = {
  sim: join('test', 'sim', 'seeds', 'main.js'),
  fuzz: join('test', 'sim', 'fuzz', 'main.js'),
}

export const TASKS = ['build', 'test', ...[PROGRAMS, MIXED_PROGRAMS, PLAIN_PROGRAMS].flatMap(Object.keys)]

/**
 * Runs a command with our terminal and returns its exit code. Signals are the command's to handle:
 * it removes what it made, and we wait for it.
 */
function runInForeground(command, env = {}) {
  return new Promise(resolve => {
    const child = spawn(command[0], command.slice(1), { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
    process.on('SIGINT', () => {})
    for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
    child.on('error', error => {
      console.error(`${command[0]}: ${error.message}`)
      resolve(1)
    })
    child.on('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal]))
  })
}

/** Runs a command where it may make network namespaces; where that is forbidden, as it is. */
function runPrivileged(privileges, command, env = {}) {
  if (privileges.kind !== 'unshare') return runInForeground(command, env)
  console.error('setup: no privilege for network namespaces; going on in a user namespace of our own')
  return runInForeground(unshared(command), { ...env, TASJS_USER_NAMESPACE: '1' })
}

/** What the reporter counted; a run that ended before it could count has failed. */
function readSummary(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

async function runTests(args) {
  const folder = mkdtempSync(join(tmpdir(), 'tasjs-test-'))
  const summaryFile = join(folder, 'summary.json')
  const reporters = ['--reporter=default', `--reporter=${join(root, 'tools', 'setup', 'reporter.mjs')}`]
  const command = [process.execPath, join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...reporters, ...args]
  try {
    const privileges = await findPrivileges()
    if (privileges.kind === 'none') console.error(`setup: tests that need a network are skipped: ${privileges.reason}`)
    const code = await runPrivileged(privileges, command, { TASJS_TEST_SUMMARY: summaryFile })
    const { passed, failed, skipped } = readSummary(summaryFile)
    if (skipped > 0) console.log(`${skipped} skipped (reasons stand in their names)`)
    console.log(`${passed} passed, ${failed} failed`)
    return code
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * Runs a task whose needs are met. Returns the exit code.
 * @param {string} task
 * @param {readonly string[]} args
 */
export async function runTask(task, args) {
  if (task === 'build') return 0
  if (task === 'test') return runTests(args)
  if (task in PLAIN_PROGRAMS) return runInForeground([process.execPath, join(root, 'dist', PLAIN_PROGRAMS[task]), ...args])
  const command = [process.execPath, join(root, 'dist', PROGRAMS[task] ?? MIXED_PROGRAMS[task]), ...args]
  // Asking for help must not need privileges.
  if (args.includes('--help')) return runInForeground(command)
  const privileges = await findPrivileges()
  if (privileges.kind === 'none' && !(task in MIXED_PROGRAMS)) throw new SetupError(`setup: ${privileges.reason}`)
  return runPrivileged(privileges, command)
}
