/** Programs of the operating system that a task needs, and how they are installed. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { SetupError, step } from './steps.mjs'

/** Tasks that make network namespaces. */
const NETWORK_TASKS = ['demo', 'test', 'bench', 'bench:sweep', 'bench:linkem', 'bench:loss', 'bench:flood', 'bench:profile', 'interop', 'nodesuite']

/** What the addon is built with: each task sees to it that it is up to date. */
const EVERY_TASK = { includes: () => true }

/**
 * What is needed for what, and the package that brings it, by package manager.
 * A program that is only wanted lets some tests run that are skipped without it.
 */
const PROGRAMS = [
  { names: ['g++', 'c++', 'clang++'], apt: 'g++', dnf: 'gcc-c++', apk: 'g++', needed: EVERY_TASK },
  { names: ['make', 'ninja'], apt: 'make', dnf: 'make', apk: 'make', needed: EVERY_TASK },
  { names: ['cmake'], apt: 'cmake', dnf: 'cmake', apk: 'cmake', needed: EVERY_TASK },
  { names: ['ip'], apt: 'iproute2', dnf: 'iproute', apk: 'iproute2', needed: NETWORK_TASKS.filter(task => task !== 'test'), wanted: ['test', 'experiments'] },
  { names: ['unshare'], apt: 'util-linux', dnf: 'util-linux', apk: 'util-linux', needed: [], wanted: NETWORK_TASKS },
  { names: ['curl'], apt: 'curl', dnf: 'curl', apk: 'curl', needed: ['demo'] },
  { names: ['ping'], apt: 'iputils-ping', dnf: 'iputils', apk: 'iputils', needed: ['demo'], wanted: ['test'] },
  { names: ['openssl'], apt: 'openssl', dnf: 'openssl', apk: 'openssl', needed: [], wanted: ['test', 'bench'] },
  { names: ['wrk'], apt: 'wrk', dnf: 'wrk', apk: 'wrk', needed: [], wanted: ['bench', 'bench:profile'] },
]

const MANAGERS = [
  { name: 'apt', program: 'apt-get', install: 'apt-get update && apt-get install -y --no-install-recommends' },
  { name: 'dnf', program: 'dnf', install: 'dnf install -y' },
  { name: 'apk', program: 'apk', install: 'apk add linux-headers' },
]

/** Whether one of `names` is on the path, or where system programs stand for users whose path lacks it. */
function hasProgram(names) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return names.some(name => folders.some(folder => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  }))
}

function isRoot() {
  return process.getuid?.() === 0
}

/** The line that installs `programs` here. */
function installLine(programs) {
  const manager = MANAGERS.find(({ program }) => hasProgram([program]))
  const missing = programs.map(program => program.names[0]).join(', ')
  if (manager === undefined) return `install with your package manager: ${missing}`
  const packages = programs.map(program => program[manager.name]).join(' ')
  const line = `${manager.install} ${packages}`
  return `missing: ${missing}. Run:\n  ${isRoot() ? line : `sudo sh -c '${line}'`}`
}

async function aptInstall(programs) {
  const quiet = { DEBIAN_FRONTEND: 'noninteractive' }
  const lock = ['-o', 'DPkg::Lock::Timeout=300']
  await step('apt-get update', 'apt-get', [...lock, 'update', '-q'], quiet)
  const packages = programs.map(program => program.apt)
  await step(`apt-get install ${packages.join(' ')}`, 'apt-get',
    [...lock, 'install', '-y', '-q', '--no-install-recommends', ...packages], quiet)
}

/** What is missing for `task` and the line that installs it, or null. @param {string} task */
export function missingLine(task) {
  const missing = PROGRAMS.filter(({ names, needed }) => needed.includes(task) && !hasProgram(names))
  return missing.length === 0 ? null : installLine(missing)
}

/**
 * Makes sure that the programs `task` needs are there: root on Debian and Ubuntu installs them.
 * Throws SetupError with the line to run where that is not possible.
 * @param {string} task
 */
export async function ensurePrograms(task) {
  process.env.PATH = `${process.env.PATH ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`
  const absent = PROGRAMS.filter(({ names }) => !hasProgram(names))
  const needed = absent.filter(program => program.needed.includes(task))
  const wanted = absent.filter(program => program.wanted?.includes(task))
  const canInstall = isRoot() && hasProgram(['apt-get'])
  if (canInstall && needed.length + wanted.length > 0) return aptInstall([...needed, ...wanted])
  if (needed.length > 0) throw new SetupError(`setup: ${installLine(needed)}`)
  if (wanted.length > 0) console.error(`setup: some parts will be skipped; ${installLine(wanted)}`)
}
