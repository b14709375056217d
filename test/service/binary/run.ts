/** Runs the built `tas` in a network namespace of its own, which goes with it. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { countersName } from '../../../lib/memif/index.js'

/** Folder of the package. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
/** The compiled command. */
export const MAIN = join(ROOT, 'dist', 'service', 'main.js')

/** How `unshare` gives us a network namespace: directly, or inside a user namespace of our own. */
const UNSHARE = [['-n'], ['-Urn']].find((flags) => spawnSync('unshare', [...flags, 'ip', 'link']).status === 0)

function findReason(): string {
  if (!existsSync(MAIN)) return 'dist is not built'
  if (!existsSync(join(ROOT, 'build', 'Release', 'tasjs.node'))) return 'the addon is not built'
  return ''
}

/** Why the binary cannot run here, or ''. */
export const missingBuild = findReason()

/** Why it cannot have a network here, or ''. */
export const missingNetwork = missingBuild || (UNSHARE === undefined ? 'no network namespace can be made' : '')

function tapRefused(): boolean {
  const command = ['ip', 'tuntap', 'add', 'mode', 'tap', 'name', 'ts-probe0']
  return spawnSync('unshare', [...(UNSHARE ?? []), ...command]).status !== 0
}

/** Why it cannot have a TAP device here, or ''. /dev/net/tun may be closed to those who are not root. */
export const missingTap = missingNetwork || (tapRefused() ? 'no TAP device can be made' : '')

/** A folder of one test, with the socket's path in it. */
export class Place {
  readonly folder = mkdtempSync(join(tmpdir(), 'ts-tas-'))
  readonly socket = join(this.folder, 'tas.sock')
  readonly shm = `/dev/shm${countersName(this.socket)}`

  /** Whether the service has left nothing here. */
  get isClean(): boolean {
    return !existsSync(this.socket) && !existsSync(this.shm)
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
    rmSync(this.shm, { force: true })
  }
}

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A process under test. */
export class Run {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  ready = ''
  readonly ended: Promise<Ended>
  private lookers: (() => void)[] = []

  constructor(command: readonly string[], env: NodeJS.ProcessEnv) {
    const [program, ...args] = command
    this.child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe', 'pipe'], env })
    this.collect(1, (text) => (this.stdout += text))
    this.collect(2, (text) => (this.stderr += text))
    this.collect(3, (text) => (this.ready += text))
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr })
        this.look()
      })
    })
  }

  private collect(fd: number, take: (text: string) => void): void {
    const stream = this.child.stdio[fd] as Readable
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      take(text)
      this.look()
    })
  }

  private look(): void {
    for (const looker of [...this.lookers]) looker()
  }

  get pid(): number {
    return this.child.pid ?? -1
  }

  /** Resolves when `condition` holds after some output. Throws with all output if the process ends before. */
  async until(condition: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const looker = (): void => {
        const gone = this.child.exitCode !== null || this.child.signalCode !== null
        if (!condition() && !gone) return
        this.lookers = this.lookers.filter((other) => other !== looker)
        if (condition()) resolve()
        else reject(new Error(`process ended: ${this.child.exitCode ?? this.child.signalCode}\n${this.stderr}`))
      }
      this.lookers.push(looker)
      looker()
    })
  }

  async signal(signal: NodeJS.Signals): Promise<Ended> {
    this.child.kill(signal)
    return this.ended
  }
}

function environment(): NodeJS.ProcessEnv {
  const { TAS_SOCKET: _unused, ...env } = process.env
  return env
}

/** Runs `tas` with these arguments, where it is. */
export function runTas(args: readonly string[]): Run {
  return new Run([process.execPath, MAIN, ...args], environment())
}

/** Runs `tas` in a network namespace, after the shell commands `setup` there. */
export function runTasInNamespace(setup: string, args: readonly string[]): Run {
  const script = `${setup === '' ? ':' : setup} && exec "$@"`
  return new Run(['unshare', ...(UNSHARE ?? []), 'sh', '-c', script, 'sh', process.execPath, MAIN, ...args], environment())
}

/** Makes a veth pair of which one end is for TAS. */
export const PAIR = 'ip link add ts-v0 type veth peer name ts-v1 && ip link set ts-v0 up && ip link set ts-v1 up'

async function untilReady(run: Run): Promise<Run> {
  await run.until(() => run.ready.includes('\n'))
  return run
}

/** A service on one end of a veth pair, ready. */
export function startTas(place: Place, more: readonly string[] = []): Promise<Run> {
  const args = ['--ip-addr=10.77.0.2/24', '--nic=ts-v0', `--socket=${place.socket}`, '--ready-fd=3', ...more]
  return untilReady(runTasInNamespace(PAIR, args))
}

/** A service behind a TAP device, ready. */
export function startOnTap(place: Place): Promise<Run> {
  return untilReady(runTasInNamespace('', ['--ip-addr=10.77.0.2/24', '--nic=tap:ts-tap0', `--socket=${place.socket}`, '--ready-fd=3']))
}

/** A service that shares its interface with the host kernel, ready. */
export function startWithHost(place: Place): Promise<Run> {
  return startTas(place, ['--kni-name=ts-kni0'])
}
