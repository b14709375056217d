/** Opens what frames come from and go to, with this process's privilege: the workers need none. */
import { interfaceInfo, PacketPort, Regions, TapPort } from '../native/index.js'
import { EnvironmentError, errorCode, errorText } from './errors.js'
import type { Options } from './options.js'
import type { UndoStack } from './undo.js'
import type { WorkerPort } from './workerstart.js'

/** The ports of the service. */
export interface ServicePorts {
  /** The slow path's, to transmit. */
  readonly slow: Pick<PacketPort | TapPort, 'sendFrame' | 'mtu'>
  /** Descriptor of each worker's port. */
  readonly workerFds: readonly number[]
  readonly port: WorkerPort
  readonly mtu: number
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

function openPacketPorts(name: string, options: Options, mac: Uint8Array, workers: number, undo: UndoStack): ServicePorts {
  const offload = !options.fpNoXsumoffload
  const { vlan } = options
  const open = (receive: boolean): PacketPort => {
    const port = PacketPort.open({ interface: name, regions: new Regions(), mac, offload, vlan, receive })
    undo.add(`port on ${name}`, () => port.close())
    return port
  }
  try {
    checkInterface(name, mac)
    const slow = open(false)
    const workerFds = Array.from({ length: workers }, () => open(true).fd)
    return { slow, workerFds, port: { kind: 'af_packet', interface: name, offload, vlan }, mtu: slow.mtu }
  } catch (error) {
    if (error instanceof EnvironmentError) throw error
    throw new EnvironmentError(explainPacket(name, error))
  }
}

/** Opens a TAP device `name` for `option`, named in complaints; `vlan` 0 for no tags. The device goes with its last descriptor. */
export function openTap(
  option: string, name: string, offload: boolean, hostMac: Uint8Array | null, undo: UndoStack, vlan = 0,
): TapPort {
  try {
    const port = TapPort.open({ name, regions: new Regions(), offload, vlan, ...(hostMac === null ? {} : { hostMac }) })
    undo.add(`TAP device ${name}`, () => port.close())
    return port
  } catch (error) {
    throw new EnvironmentError(explainTap(option, name, error))
  }
}

/** A TAP device is one queue: slow path and worker share its descriptor. */
function openTapPorts(name: string, options: Options, undo: UndoStack): ServicePorts {
  const offload = !options.fpNoXsumoffload
  const { vlan } = options
  const slow = openTap('--nic', name, offload, null, undo, vlan)
  return { slow, workerFds: [slow.fd], port: { kind: 'tap', interface: name, offload, vlan }, mtu: slow.mtu }
}

/** Fast-path workers. A TAP device has one queue, and several AF_PACKET workers need steering, which comes later. */
export const WORKERS = 1

/** Opens the ports of slow path and workers, closed by `undo`. Throws EnvironmentError that says what is missing. */
export function openPorts(options: Options, mac: Uint8Array, workers: number, undo: UndoStack): ServicePorts {
  const { kind, name } = options.nic
  return kind === 'tap' ? openTapPorts(name, options, undo) : openPacketPorts(name, options, mac, workers, undo)
}
