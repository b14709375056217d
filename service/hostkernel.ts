/** --kni-name: a TAP device through which the host kernel shares the interface. */
import { readFileSync } from 'node:fs'
import { FdWatcher, Regions, type TapPort } from '../native/index.js'
import { emitForHost } from './hostframes.js'
import { openTap } from './ports.js'
import type { HostKernel } from './slow/hostkernel.js'
import type { UndoStack } from './undo.js'

/** Takes a frame of `len` bytes; its memory is somebody else's afterwards. */
export type DeliverFrame = (frame: Uint8Array, len: number) => void

/** Most bursts in one turn of the event loop: others get theirs in between. */
const BURSTS_PER_TURN = 8

function readSetting(path: string): number {
  try {
    return Number(readFileSync(path, 'latin1'))
  } catch {
    return Number.NaN
  }
}

/**
 * Why the host kernel would answer ARP requests for the address it has on TAP device `kni` with the address of `nic`
 * itself, so that peers lose TAS; null if it does not. On Linux an address belongs to the host and not to an interface
 * unless arp_ignore says so (kernel documentation, ip-sysctl).
 */
export function sharedAddressProblem(nic: string, kni: string, read: (path: string) => number = readSetting): string | null {
  const settings = ['all', nic].map((name) => read(`/proc/sys/net/ipv4/conf/${name}/arp_ignore`))
  if (settings.some((value) => value > 0 || Number.isNaN(value))) return null
  const wish = `sysctl -w net.ipv4.conf.${nic.replaceAll('.', '/')}.arp_ignore=1`
  return `--kni-name: the kernel answers on ${nic}, with another MAC, for the addresses of ${kni}; want: ${wish}`
}

/** Hands every frame that waits to `deliver`. */
function drain(port: TapPort, deliver: DeliverFrame): void {
  for (let burst = 0; burst < BURSTS_PER_TURN; burst++) {
    const count = port.receive()
    if (count === 0) return
    for (let index = 0; index < count; index++) {
      const at = port.rxOffset[index]
      const len = port.rxLen[index]
      deliver(port.frames.subarray(at, at + len), len)
    }
    port.release()
  }
}

/**
 * Makes the TAP device `name`, with TAS's MAC address on the host's side so that both can use it, closed by `undo`.
 * Frames of the host kernel go to `deliver`. Without offload the kernel cuts them to the MTU and fills in checksums.
 */
export function openHostKernel(name: string, mac: Uint8Array, undo: UndoStack, deliver: DeliverFrame): HostKernel {
  const port = openTap('--kni-name', name, { regions: new Regions(), offload: false, hostMac: mac }, undo)
  const watcher = new FdWatcher(port.fd, () => drain(port, deliver))
  undo.add('a watcher', () => watcher.close())
  const emit = (frame: Uint8Array, len: number): boolean => port.sendFrame(frame, len)
  return { sendFrame: (frame, len, gso, flags) => emitForHost(frame, len, gso, flags, emit) }
}
