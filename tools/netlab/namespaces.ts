/**
 * Two network namespaces joined by a veth pair: on one side TAS, on the other the Linux kernel.
 *
 *   namespace NAME-tas                      namespace NAME-peer
 *   tas  10.77.0.1 (TAS, own MAC)  veth     kernel  10.77.0.2
 *        10.77.0.3 (kernel) ------tas0======peer0
 *
 * The kernel's address on the TAS side serves programs that are compared with TAS on the same link.
 */
import type { Cleanup } from './cleanup.js'
import { run, startProcess, type Process, type ProcessOptions } from './processes.js'

/** Address of TAS. */
export const TAS_ADDRESS = '10.77.0.1'
/** Address of the Linux kernel on the other side. */
export const PEER_ADDRESS = '10.77.0.2'
/** Address of the Linux kernel on TAS's side of the link. */
export const KERNEL_ADDRESS = '10.77.0.3'
/** Length of the prefix that all three share. */
export const PREFIX_LENGTH = 24
/** Interface that TAS gets. */
export const TAS_INTERFACE = 'tas0'
/** The Linux kernel's end of the link. */
export const PEER_INTERFACE = 'peer0'
/** Bytes; of links that are not told another. */
const MTU = 1500

/** One of the two namespaces. */
export class Namespace {
  readonly name: string
  readonly interface: string
  private readonly cleanup: Cleanup

  constructor(name: string, interfaceName: string, cleanup: Cleanup) {
    this.name = name
    this.interface = interfaceName
    this.cleanup = cleanup
  }

  /** Runs a command in the namespace; see `run`. */
  run(command: string, args: readonly string[], timeoutMs?: number): Promise<string> {
    return run(command, args, { namespace: this.name, ...(timeoutMs === undefined ? {} : { timeoutMs }) })
  }

  /** Starts a process in the namespace that is stopped at clean-up. */
  start(name: string, options: Omit<ProcessOptions, 'namespace'>): Process {
    return startProcess(name, { ...options, namespace: this.name }, this.cleanup)
  }

  /** Sets a network sysctl of this namespace, such as `net.ipv4.tcp_timestamps`. Throws Error if the kernel refuses. */
  async sysctl(name: string, value: string | number): Promise<void> {
    const path = `/proc/sys/${name.replaceAll('.', '/')}`
    await this.run('sh', ['-c', 'printf %s "$1" > "$2"', 'sysctl', String(value), path])
  }

  /** Reads a network sysctl of this namespace. */
  readSysctl(name: string): Promise<string> {
    return this.run('cat', [`/proc/sys/${name.replaceAll('.', '/')}`])
  }

  /** Sets the MTU of this end of the link, in bytes. */
  async setMtu(mtu: number): Promise<void> {
    await run('ip', ['-n', this.name, 'link', 'set', this.interface, 'mtu', String(mtu)])
  }
}

/** The two namespaces and the link between them. */
export interface Lab {
  readonly name: string
  /** TAS's side. */
  readonly tas: Namespace
  /** The Linux kernel's side. */
  readonly peer: Namespace
}

export interface LabOptions {
  /** Name that no other lab has; namespaces are NAME-tas and NAME-peer. At most 200 characters. */
  readonly name: string
  /** MTU of both ends in bytes, 1500 if left out. */
  readonly mtu?: number
}

/** Makes a namespace, with loopback up and without IPv6; it is deleted at clean-up, also if this throws. */
export async function createNamespace(name: string, interfaceName: string, cleanup: Cleanup): Promise<Namespace> {
  const created = run('ip', ['netns', 'add', name])
  // Registered at once: a signal may come while `ip` is at work.
  cleanup.add(`namespace ${name}`, async () => {
    const exists = await created.then(() => true, () => false)
    if (exists) await run('ip', ['netns', 'delete', name])
  })
  await created
  const namespace = new Namespace(name, interfaceName, cleanup)
  // Without IPv6 the link is silent when nobody uses it.
  await namespace.sysctl('net.ipv6.conf.all.disable_ipv6', 1).catch(() => {})
  await namespace.sysctl('net.ipv6.conf.default.disable_ipv6', 1).catch(() => {})
  await run('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
  return namespace
}

/** Gives a namespace's end of the link its address, and brings it up. */
export async function bringUp(namespace: Namespace, address: string): Promise<void> {
  await run('ip', ['-n', namespace.name, 'address', 'add', `${address}/${PREFIX_LENGTH}`, 'dev', namespace.interface])
  await run('ip', ['-n', namespace.name, 'link', 'set', namespace.interface, 'up'])
}

/** A veth pair between two namespaces, both ends down. They are born inside them: no device of ours is ever seen outside. */
export async function createPair(a: Namespace, b: Namespace, mtu: number): Promise<void> {
  await run('ip', ['-n', a.name, 'link', 'add', a.interface, 'mtu', String(mtu), 'type', 'veth',
    'peer', 'name', b.interface, 'mtu', String(mtu), 'netns', b.name])
}

/** Makes both namespaces and the link, everything up. What was made is removed at clean-up, also if this throws. */
export async function createLab(options: LabOptions, cleanup: Cleanup): Promise<Lab> {
  const tas = await createNamespace(`${options.name}-tas`, TAS_INTERFACE, cleanup)
  const peer = await createNamespace(`${options.name}-peer`, PEER_INTERFACE, cleanup)
  await createPair(tas, peer, options.mtu ?? MTU)
  await bringUp(tas, KERNEL_ADDRESS)
  await bringUp(peer, PEER_ADDRESS)
  return { name: options.name, tas, peer }
}

/**
 * One namespace, NAME, with both ends of a link: TAS_INTERFACE, without an address, for a TAS with TAS_ADDRESS, and PEER_INTERFACE, where the kernel has
 * KERNEL_ADDRESS. So what goes through the kernel there reaches the TAS beside it, which it would not on an interface that both have. Returns TAS's end.
 */
export async function createHost(name: string, cleanup: Cleanup): Promise<Namespace> {
  const tas = await createNamespace(name, TAS_INTERFACE, cleanup)
  const kernel = new Namespace(name, PEER_INTERFACE, cleanup)
  await createPair(tas, kernel, MTU)
  await bringUp(kernel, KERNEL_ADDRESS)
  await run('ip', ['-n', name, 'link', 'set', TAS_INTERFACE, 'up'])
  return tas
}

let counter = 0

/** A name for a lab that no other process of this machine uses. */
export function uniqueName(prefix: string): string {
  counter++
  return `${prefix}-${process.pid}${counter > 1 ? `-${counter}` : ''}`
}

/** Why network namespaces cannot be made here, or null if they can. Tries it. */
export function namespacesRefused(): Promise<string | null> {
  return refused('veth', ['link', 'add', 'probe0', 'type', 'veth', 'peer', 'name', 'probe1'])
}

/** Why TAP devices cannot be made here, or null if they can. Tries it: /dev/net/tun may be closed to a user namespace. */
export function tapRefused(): Promise<string | null> {
  return refused('TAP', ['tuntap', 'add', 'mode', 'tap', 'name', 'probe0'])
}

async function refused(devices: string, ipArgs: readonly string[]): Promise<string | null> {
  const name = uniqueName('tas-probe')
  try {
    await run('ip', ['netns', 'add', name])
  } catch (error) {
    return `network namespaces are not permitted here: ${error instanceof Error ? error.message.replaceAll(/\s+/g, ' ') : ''}`
  }
  try {
    await run('ip', ['-n', name, ...ipArgs])
    return null
  } catch {
    return `${devices} devices are not permitted here`
  } finally {
    await run('ip', ['netns', 'delete', name])
  }
}
