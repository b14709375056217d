/** Starting and stopping the servers that are compared. Only one of them runs at a time, so that none disturbs another. */
import { availableParallelism } from 'node:os'
import {
  compiled, KERNEL_ADDRESS, nativeProgram, PREFIX_LENGTH, processTree, startProcess, startService, TAS_ADDRESS, type Cleanup, type Lab,
  type Process,
} from '../tools/netlab/index.js'
import type { ServerName } from './results.js'

/** A running server. */
export interface Contender {
  readonly address: string
  /** Process ids of everything that belongs to it. */
  readonly pids: readonly number[]
  stop(): Promise<void>
}

export interface ContenderOptions {
  readonly lab: Lab
  readonly cleanup: Cleanup
  readonly folder: string
  /** Binds the server's processes to all CPUs but the last. */
  readonly pinned: boolean
  /** Congestion control of the C server's connections; the kernel's default without. */
  readonly congestion?: string
  /** The first of its ports (servers/ports.ts). */
  readonly port?: number
  /** More options of tas. */
  readonly tasArgs?: readonly string[]
}

/** The command line that binds `command` to all CPUs but the last, where the client runs. */
function pin(pinned: boolean, command: string, args: readonly string[]): { command: string; args: readonly string[] } {
  if (!pinned) return { command, args }
  const last = availableParallelism() - 2
  return { command: 'taskset', args: ['-c', `0-${last}`, command, ...args] }
}

function portArgs({ port }: ContenderOptions): string[] {
  return port === undefined ? [] : [`--port=${port}`]
}

async function startOnTas(options: ContenderOptions): Promise<Contender> {
  const { lab, cleanup, folder, pinned, tasArgs } = options
  const service = await startService(lab, { folder, args: tasArgs ?? [], pinnedTo: pinned ? `0-${availableParallelism() - 2}` : null })
  const { command, args } = pin(pinned, process.execPath, [compiled('bench/servers/tas.js'), ...portArgs(options)])
  const app = startProcess('server on TAS', { command, args, env: service.env }, cleanup)
  await app.line(/ready/)
  return {
    address: TAS_ADDRESS,
    pids: [...service.pids(), ...processTree(app.pid)],
    async stop() {
      await app.stop()
      await service.stop()
    },
  }
}

async function startEmbedded({ lab, pinned }: ContenderOptions): Promise<Contender> {
  const args = [compiled('bench/servers/tas.js'), '--nic', lab.tas.interface, '--ip-addr', `${TAS_ADDRESS}/${PREFIX_LENGTH}`]
  const server = lab.tas.start('server with TAS embedded', pin(pinned, process.execPath, args))
  await server.line(/ready/)
  return {
    address: TAS_ADDRESS,
    pids: processTree(server.pid),
    async stop() { await server.stop() },
  }
}

async function startOnKernel(
  options: ContenderOptions, name: string, program: string, programArgs: readonly string[],
): Promise<Contender> {
  const { lab, pinned } = options
  const server: Process = lab.tas.start(name, pin(pinned, program, [...programArgs, ...portArgs(options)]))
  await server.line(/ready/)
  return {
    address: KERNEL_ADDRESS,
    pids: processTree(server.pid),
    async stop() { await server.stop() },
  }
}

function congestionArgs({ congestion }: ContenderOptions): string[] {
  return congestion === undefined ? [] : [`--congestion=${congestion}`]
}

/** Starts a server and waits until it listens. */
export function startContender(name: ServerName, options: ContenderOptions): Promise<Contender> {
  switch (name) {
    case 'tas': return startOnTas(options)
    case 'tasEmbedded': return startEmbedded(options)
    case 'nodeNet':
      return startOnKernel(options, 'server on node:net', process.execPath, [compiled('bench/servers/node-net.js')])
    case 'cEpoll': return startOnKernel(options, 'C epoll server', nativeProgram('epoll_server'), congestionArgs(options))
  }
}
