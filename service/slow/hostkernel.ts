/**
 * The host kernel behind a TAP device that shares our interface, MAC and address (--kni-name).
 *
 *   from the network    TCP for a connection or listener of ours   ->  us
 *                       ARP                                        ->  both: either may have asked, and the same
 *                                                                      answer twice does no harm
 *                       all else (UDP, ICMP, unknown TCP ports)    ->  the kernel
 *   from the kernel     everything                                 ->  the network
 *   from ourselves      nothing: the kernel would refuse its own address as a source
 *
 * While the kernel takes no frames (its interface is down) we answer as if there were none.
 */
import type { Port } from '../../native/index.js'
import { isInside } from './loopback.js'
import type { Frame } from './stack.js'
import type { Stats } from './stats.js'

/** The service's end of the TAP device. */
export interface HostKernel {
  /**
   * Hands a frame of `len` bytes over; `gso` and `flags` are the port's (gso_size, RX_*). Returns false if it was not
   * taken.
   */
  sendFrame(bytes: Uint8Array, len: number, gso: number, flags: number): boolean
}

/** The way to and from the host kernel; without one, `pass` takes nothing. */
export class HostKernelGate {
  private readonly kernel: HostKernel | null
  private readonly port: Pick<Port, 'sendFrame'>
  private readonly stats: Stats

  constructor(kernel: HostKernel | null, port: Pick<Port, 'sendFrame'>, stats: Stats) {
    this.kernel = kernel
    this.port = port
    this.stats = stats
  }

  /** Gives a frame from the network to the kernel. Returns false if there is none or it did not take it. */
  pass(frame: Frame): boolean {
    if (isInside(frame)) return false
    if (this.kernel === null || !this.kernel.sendFrame(frame.bytes, frame.bytes.length, frame.gso, frame.rxFlags)) return false
    this.stats.add('toHostKernel')
    return true
  }

  /** Sends a frame of the kernel to the network. */
  fromKernel(frame: Uint8Array, lenBytes: number): void {
    this.stats.add('fromHostKernel')
    this.port.sendFrame(frame, lenBytes)
  }
}
