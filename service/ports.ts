/** Opens what frames come from and go to, with this process's privilege: the workers need none. */
import {
  claimantUid, claimName, closeFd, closeSockets, Fanout, interfaceInfo, openPacketSockets, PacketPort, type PacketSockets, Regions, TapPort,
  type TapPortOptions,
} from '../native/index.js'
import { EnvironmentError, errorCode, errorText } from './errors.js'
import type { Options } from './options.js'
import { formatAddress } from './optionvalues.js'
import { STEERS_BY_STATE, type SteerPort } from './slow/steering.js'
import { steerProgram } from './steerprogram.js'
import type { UndoStack } from './undo.js'
import type { WorkerPort } from './workerstart.js'

/** The ports of the service. */
export interface ServicePorts {
  /** The slow path's, to transmit. */
  readonly slow: Pick<PacketPort | TapPort, 'sendFrame' | 'mtu'>
  /** Descriptors of each worker's port; a TAP device has no `sendFd`. */
  readonly workers: readonly PacketSockets[]
  readonly port: WorkerPort
  readonly mtu: number
  readonly steer: SteerPort
}

/** Opens AF_PACKET ports on an interface, closed by the undo stack. */
interface PacketOpener {
  /** A port for this process: one that receives too, or one that only sends. */
  port(receive: boolean, regions: Regions): PacketPort
  /** The sockets of a worker's. */
  sockets(): PacketSockets
}

/** Where capabilities come from. */
const PRIVILEGE = 'run as root, or in namespaces of your own (unshare -Urnm)'

function explainPacket(name: string, error: unknown): string {
  switch (errorCode(error)) {
    case 'ENODEV':
    case 'ENXIO':
      return `--nic: "${name}": there is no such interface; want one of those that "ip link" lists`
    case 'EPERM':
    case 'EACCES':
      return `--nic: "${name}": no permission for packet sockets; want CAP_NET_RAW: ${PRIVILEGE}`
    case 'ENETDOWN':
      return `--nic: "${name}": is down; want it up: ip link set ${name} up`
    default:
      return `--nic: "${name}": ${errorText(error)}`
  }
}

function explainTap(option: string, name: string, error: unknown): string {
  switch (errorCode(error)) {
    case 'EACCES':
      return `${option}: "${name}": no permission to open /dev/net/tun; want it readable and writable for this user`
    case 'EPERM':
      return `${option}: "${name}": no permission to make a TAP device; want CAP_NET_ADMIN: ${PRIVILEGE}`
    case 'ENOENT':
    case 'ENODEV':
      return `${option}: "${name}": there is no /dev/net/tun; want the kernel's tun module: modprobe tun`
    case 'EBUSY':
    case 'EEXIST':
    case 'EINVAL':
      return `${option}: "${name}": an interface of that name is there and in use; want another name`
    default:
      return `${option}: "${name}": ${errorText(error)}`
  }
}

/** What IPv4 demands of a link (RFC 791, 3.2), and what its length field can say. */
const MTU_MIN = 68
const MTU_MAX = 65_535

function checkInterface(name: string, mac: Uint8Array): void {
  const found = interfaceInfo(name)
  if (found.mac.every((byte) => byte === 0)) {
    throw new EnvironmentError(`--nic: "${name}": has no Ethernet address; want an Ethernet interface, not a loopback or tunnel`)
  }
  if (found.mtu < MTU_MIN || found.mtu > MTU_MAX) {
    const wish = `want ${MTU_MIN} to ${MTU_MAX}: ip link set ${name} mtu 1500`
    throw new EnvironmentError(`--nic: "${name}": has an MTU of ${found.mtu}; ${wish}`)
  }
  if (!found.up) throw new EnvironmentError(`--nic: "${name}": is down; want it up: ip link set ${name} up`)
  if (found.mac.every((byte, index) => byte === mac[index])) {
    throw new EnvironmentError(
      `--mac: is the address of "${name}" itself, so that the host kernel would answer too; want another`)
  }
}

/** Opens AF_PACKET ports on interface `name`: calls `open`, whose argument opens one. Throws EnvironmentError. */
function onInterface<T>(options: Options, mac: Uint8Array, undo: UndoStack, open: (opener: PacketOpener) => T): T {
  const { vlan, nic: { name } } = options
  const common = { interface: name, mac, offload: !options.fpNoXsumoffload, vlan }
  try {
    checkInterface(name, mac)
    return open({
      port(receive, regions) {
        const port = PacketPort.open({ ...common, regions, receive })
        undo.add(`port on ${name}`, () => port.close())
        return port
      },
      sockets() {
        const sockets = openPacketSockets({ ...common, receive: true })
        undo.add(`port on ${name}`, () => closeSockets(sockets))
        return sockets
      },
    })
  } catch (error) {
    if (error instanceof EnvironmentError) throw error
    throw new EnvironmentError(explainPacket(name, error), { cause: error })
  }
}

function openPacketPorts(options: Options, mac: Uint8Array, workers: number, undo: UndoStack): ServicePorts {
  return onInterface(options, mac, undo, (opener) => {
    const slow = opener.port(false, new Regions())
    const sockets = Array.from({ length: workers }, () => opener.sockets())
    return { slow, workers: sockets, port: workerPort(options), mtu: slow.mtu, steer: steerPackets(sockets.map(({ fd }) => fd)) }
  })
}

/** Has the kernel share frames out among the workers' sockets. */
function steerPackets(workerFds: readonly number[]): SteerPort {
  if (workerFds.length === 1) return STEERS_BY_STATE
  const fanout = new Fanout(workerFds)
  return (table, done) => fanout.steer(steerProgram(table), (error) => done(error === undefined))
}

/** Opens a TAP device `name` for `option`, named in complaints, closed by `undo`. The device goes with its last descriptor. */
export function openTap(option: string, name: string, options: Omit<TapPortOptions, 'name'>, undo: UndoStack): TapPort {
  try {
    const port = TapPort.open({ name, ...options })
    undo.add(`TAP device ${name}`, () => port.close())
    return port
  } catch (error) {
    throw new EnvironmentError(explainTap(option, name, error), { cause: error })
  }
}

/**
 * Slow path and worker 0 share the first queue of a TAP device. The kernel steers by itself: frames go to the queue that has sent for their
 * connection last, and those of others find their way by the slow path.
 */
function openTapPorts(options: Options, workers: number, undo: UndoStack): ServicePorts {
  const slow = openTapOfNic(options, new Regions(), undo, workers > 1)
  const others = Array.from({ length: workers - 1 }, () => addQueue(slow, options, undo))
  const queues = [slow.fd, ...others].map((fd) => ({ fd, sendFd: -1 }))
  return { slow, workers: queues, port: workerPort(options), mtu: slow.mtu, steer: STEERS_BY_STATE }
}

function addQueue(tap: TapPort, { nic }: Options, undo: UndoStack): number {
  try {
    const fd = tap.addQueue()
    undo.add(`a queue of ${nic.name}`, () => closeFd(fd))
    return fd
  } catch (error) {
    throw new EnvironmentError(explainTap('--nic', nic.name, error), { cause: error })
  }
}

function openTapOfNic({ nic, fpNoXsumoffload, vlan }: Options, regions: Regions, undo: UndoStack, hasQueues = false): TapPort {
  return openTap('--nic', nic.name, { offload: !fpNoXsumoffload, vlan, regions, hasQueues }, undo)
}

function workerPort({ nic, fpNoXsumoffload, vlan }: Options): WorkerPort {
  return { kind: nic.kind, interface: nic.name, offload: !fpNoXsumoffload, vlan }
}

/** Whether a name is taken by somebody who is trusted with packets: another user could take names only to keep us from starting. */
function isHeldByTas(name: string): boolean {
  const uid = claimantUid(name)
  return uid === 0 || uid === process.getuid?.()
}

function claimAddress(address: string, { nic, vlan }: Options, undo: UndoStack): void {
  const name = `tasjs/${nic.name}/${vlan}/${address}`
  try {
    const fd = claimName(name)
    undo.add(`the claim to ${address}`, () => closeFd(fd))
  } catch (error) {
    if (errorCode(error) !== 'EADDRINUSE') throw error
    if (!isHeldByTas(name)) return
    throw new EnvironmentError(`--ip-addr: ${address}: another TAS has this address on "${nic.name}"; want another address`, { cause: error })
  }
}

/**
 * Takes our addresses on the interface, given back by `undo` or by the end of this process: two that answer for one address would reset
 * each other's connections. Holds among root's and this user's programs of one network namespace. Throws EnvironmentError if another has one.
 */
function claimAddresses(options: Options, undo: UndoStack): void {
  for (const { address } of options.ipAddr) claimAddress(formatAddress(address), options, undo)
}

/** Opens the ports of slow path and workers, closed by `undo`. Throws EnvironmentError that says what is missing. */
export function openPorts(options: Options, mac: Uint8Array, workers: number, undo: UndoStack): ServicePorts {
  claimAddresses(options, undo)
  return options.nic.kind === 'tap' ? openTapPorts(options, workers, undo) : openPacketPorts(options, mac, workers, undo)
}

/**
 * Opens one port for everything, closed by `undo`; its descriptors name memory of `regions`. For a slow path and a worker in one thread.
 * Throws EnvironmentError.
 */
export function openPort(options: Options, mac: Uint8Array, regions: Regions, undo: UndoStack): PacketPort | TapPort {
  claimAddresses(options, undo)
  if (options.nic.kind === 'tap') return openTapOfNic(options, regions, undo)
  return onInterface(options, mac, undo, (opener) => opener.port(true, regions))
}
