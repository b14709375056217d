/** Starting and stopping the servers that are compared. Only one of them runs at a time, so that none disturbs another. */
import { spawnSync } from 'node:child_process'
import {
  compiled, KERNEL_ADDRESS, nativeProgram, PREFIX_LENGTH, processTree, startService, statistic, TAS_ADDRESS, type Cleanup, type Lab,
  type Process, type ProcessOptions, type Service,
} from '../tools/netlab/index.js'
import { bunProgram } from './bun.js'

/** The servers that are compared, in the order of the table. */
export const SERVERS = ['tas', 'tasEmbedded', 'nodeNet', 'cEpoll', 'bun'] as const
export type ServerName = (typeof SERVERS)[number]

/** What tables call them. */
export const SERVER_TITLES: Readonly<Record<ServerName, string>> = {
  tas: 'TAS', tasEmbedded: 'TAS embedded', nodeNet: 'node:net', cEpoll: 'C epoll', bun: 'Bun',
}

/** A running server. */
export interface Contender {
  readonly address: string
  /** Whether its TCP is the kernel's. */
  readonly isOnKernel: boolean
  /** The program; with `tas` the service has processes beside it. */
  readonly process: Process
  /** The service that it runs on; null without one. */
  readonly service: Service | null
  /** Process ids of everything that belongs to it. */
  readonly pids: readonly number[]
  stop(): Promise<void>
}

/** A Node program that knows nothing of TAS. */
export interface PlainProgram {
  /** Below dist. */
  readonly file: string
  readonly args: readonly string[]
}

/** `env` and `cwd` are those of all its processes. */
export interface ContenderOptions extends Pick<ProcessOptions, 'env' | 'cwd'> {
  readonly lab: Lab
  readonly cleanup: Cleanup
  readonly folder: string
  /** The CPUs that all its processes run on, as taskset writes them; any without. */
  readonly cpus?: string
  /** Congestion control of the C server's connections; the kernel's default without. */
  readonly congestion?: string
  /** The first of its ports (servers/ports.ts). */
  readonly port?: number
  /** More options of tas. */
  readonly tasArgs?: readonly string[]
  /** Bytes of a write of the source; 64 KiB without. */
  readonly callBytes?: number
  /** Most connections at a time that a server on the kernel's TCP is to have, each a descriptor; some thousands without. */
  readonly connections?: number
  /** Initial length of each buffer of a connection on TAS; the default without. */
  readonly bufferBytes?: number
  /** Runs in place of the benchmark's own server: on either TAS by interposition, otherwise as it is. */
  readonly program?: PlainProgram
}

/** Files beside those of connections. */
const SPARE_FILES = 64

interface Command { readonly command: string; readonly args: readonly string[] }

/** The command line that keeps `command` to its CPUs. */
function bound({ cpus }: ContenderOptions, command: string, args: readonly string[]): Command {
  return cpus === undefined ? { command, args } : { command: 'taskset', args: ['-c', cpus, command, ...args] }
}

/** The command line that allows `command` a descriptor for each connection. */
function withFiles({ connections }: ContenderOptions, { command, args }: Command): Command {
  return connections === undefined ? { command, args } : { command: 'sh', args: [...raiseLimit(connections), command, ...args] }
}

/** Arguments of a shell that raises its limit of open files and becomes the command behind them. */
function raiseLimit(connections: number): string[] {
  return ['-c', 'ulimit -n "$0" && exec "$@"', String(connections + SPARE_FILES)]
}

/** Why a server on the kernel's TCP cannot have so many connections here, or null. */
export function connectionsRefused(connections: number): string | null {
  const { status } = spawnSync('sh', [...raiseLimit(connections), 'true'], { stdio: 'ignore' })
  return status === 0 ? null : `${connections + SPARE_FILES} open files in one process are not permitted here (ulimit -n)`
}

function serverArgs({ port, callBytes }: ContenderOptions): string[] {
  return [...(port === undefined ? [] : [`--port=${port}`]), ...(callBytes === undefined ? [] : [`--call-bytes=${callBytes}`])]
}

/** `file` for Node, as it is or interposed. */
function nodeArgs(file: string, args: readonly string[], isInterposed = false): string[] {
  return [...(isInterposed ? ['--import', compiled('lib/interpose/index.js')] : []), compiled(file), ...args]
}

/** Throws Error unless the service has an application: an interposed program that finds no service goes on with the kernel's TCP. */
async function checkIsOn(service: Service, { file }: PlainProgram): Promise<void> {
  if (statistic(await service.statistics(), 'apps') === 0) throw new Error(`${file} is not on TAS`)
}

async function startOnTas(options: ContenderOptions): Promise<Contender> {
  const { lab, folder, tasArgs = [], bufferBytes, program, env, cwd } = options
  const bufferArgs = bufferBytes === undefined ? [] : [`--tcp-rxbuf-len=${bufferBytes}`, `--tcp-txbuf-len=${bufferBytes}`]
  const service = await startService(lab, { folder, args: [...tasArgs, ...bufferArgs], pinnedTo: options.cpus ?? null, env, cwd })
  const args = program === undefined ? nodeArgs('bench/servers/tas.js', serverArgs(options)) : nodeArgs(program.file, program.args, true)
  // In the namespace of the others: what it has in the kernel beside TAS must not meet ports of this machine.
  const app = lab.tas.start('server on TAS', { ...bound(options, process.execPath, args), cwd, env: { ...env, ...service.env } })
  const stop = async (): Promise<void> => {
    await app.stop()
    await service.stop()
  }
  try {
    await app.line(/ready/)
    if (program !== undefined) await checkIsOn(service, program)
  } catch (error) {
    await stop()
    throw error
  }
  return { address: TAS_ADDRESS, isOnKernel: false, process: app, service, pids: [...service.pids(), ...processTree(app.pid)], stop }
}

async function startAlone({ lab, env, cwd }: ContenderOptions, name: string, address: string, command: Command): Promise<Contender> {
  const server = lab.tas.start(name, { ...command, env, cwd })
  try {
    await server.line(/ready/)
  } catch (error) {
    await server.stop()
    throw error
  }
  const isOnKernel = address === KERNEL_ADDRESS
  return { address, isOnKernel, process: server, service: null, pids: processTree(server.pid), async stop() { await server.stop() } }
}

function startEmbedded(options: ContenderOptions): Promise<Contender> {
  const { lab, bufferBytes, program } = options
  if (program !== undefined) return startOnOwnTas(options, program)
  const bufferArgs = bufferBytes === undefined ? [] : ['--buffer-bytes', String(bufferBytes)]
  const tasArgs = ['--nic', lab.tas.interface, '--ip-addr', `${TAS_ADDRESS}/${PREFIX_LENGTH}`, ...bufferArgs]
  const args = nodeArgs('bench/servers/tas.js', [...tasArgs, ...serverArgs(options)])
  return startAlone(options, 'server with TAS embedded', TAS_ADDRESS, bound(options, process.execPath, args))
}

/** A program that knows nothing of TAS, with one of its own. Throws Error unless it has it: without one it would go on with the kernel's TCP. */
async function startOnOwnTas(options: ContenderOptions, program: PlainProgram): Promise<Contender> {
  const { lab, env } = options
  const nic = lab.tas.interface
  const withTas = { ...env, TASJS_INTERPOSE_EMBEDDED: `--nic=${nic} --ip-addr=${TAS_ADDRESS}/${PREFIX_LENGTH}` }
  const command = bound(options, process.execPath, nodeArgs(program.file, program.args, true))
  const contender = await startAlone({ ...options, env: withTas }, 'server with TAS embedded', TAS_ADDRESS, command)
  const names = await lab.tas.run('cat', ['/proc/net/unix'])
  if (names.includes(`tasjs/${nic}/0/${TAS_ADDRESS}`)) return contender
  await contender.stop()
  throw new Error(`${program.file} is not on TAS`)
}

function startEpoll(options: ContenderOptions): Promise<Contender> {
  const { port, callBytes, congestion, connections } = options
  const given = { port, size: callBytes, congestion, connections }
  const args = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]))
  return startAlone(options, 'C epoll server', KERNEL_ADDRESS, bound(options, nativeProgram('epoll_server'), args))
}

/** Starts a server and waits until it listens; a program that is a client itself: until it is connected. */
export function startContender(name: ServerName, options: ContenderOptions): Promise<Contender> {
  const { program } = options
  switch (name) {
    case 'tas': return startOnTas(options)
    case 'tasEmbedded': return startEmbedded(options)
    case 'nodeNet': {
      const args = program === undefined ? nodeArgs('bench/servers/node-net.js', serverArgs(options)) : nodeArgs(program.file, program.args)
      return startAlone(options, 'server on node:net', KERNEL_ADDRESS, withFiles(options, bound(options, process.execPath, args)))
    }
    case 'cEpoll': return startEpoll(options)
    case 'bun': {
      const args = program === undefined ? nodeArgs('bench/servers/bun.js', serverArgs(options)) : nodeArgs(program.file, program.args)
      return startAlone(options, 'server on Bun', KERNEL_ADDRESS, withFiles(options, bound(options, bunProgram(), args)))
    }
  }
}
