/**
 * The port of a program that stands between two interfaces (the link emulator). It takes in frames for anybody, cut up and with
 * checksums completed as they would be on a wire, and sends frames as they are.
 *
 * Frames lie in slots of one memory that several ports may share. Before `receive` the caller names free slots in `rxSlots`;
 * before `send` it names frames in `txSlots` and `txLens`.
 */
import { addon, type LinkHandle } from './addon.js'
import { refuseClosed } from './closed.js'
import { interfaceInfo } from './interfaces.js'
import { closeFd } from './memory.js'
import { WireArrays } from './wirearrays.js'

/** Bytes of Ethernet header and two VLAN tags: what a frame has beyond its IP packet. */
export const LINK_HEADERS_MAX = 22

/** A port of packets on a wire. */
export interface WirePort extends WireArrays {
  /** Descriptor that polls readable when a frame waits, or -1. */
  readonly fd: number

  /** Puts up to `max` frames in slots rxSlots[0], rxSlots[1] ... Returns how many. */
  receive(max: number): number
  /** Sends the frames named by the first `count` entries. Returns how many the port took; call again for the rest. */
  send(count: number): number
  /** What went wrong since the port was opened. */
  readonly faults: WireFaults
  close(): void
}

/** Frames that a port could not pass on. */
export interface WireFaults {
  /** Received while the kernel's queue for us was full. */
  overrun: number
  /** Received with an offload header that makes no sense or is of an unknown kind. */
  malformed: number
  /** Received and longer than a slot. */
  tooLong: number
  /** Not sent: the interface was down, or its MTU too small. */
  sendLost: number
}

export interface LinkPortOptions {
  readonly kind: 'af_packet' | 'tap'
  /** Name of an interface that exists (af_packet), or of the device to make (tap). */
  readonly name: string
  /** Memory of all frames. */
  readonly frames: Uint8Array
  /** Bytes of a slot; slot n starts at n times this. */
  readonly slotBytes: number
  /** 256. */
  readonly burst?: number
}

const DEFAULT_BURST = 256

const closedHandle: LinkHandle = { receive: refuseClosed, send: refuseClosed }

export class LinkPort extends WireArrays implements WirePort {
  readonly mtu: number
  private readonly counts = new Float64Array(new ArrayBuffer(3 * 8))
  private readonly isTap: boolean
  private descriptor: number
  private overrun = 0
  private hot: LinkHandle

  private constructor(fd: number, options: LinkPortOptions) {
    super(options.burst ?? DEFAULT_BURST)
    this.descriptor = fd
    this.isTap = options.kind === 'tap'
    this.mtu = interfaceInfo(options.name).mtu
    const { rxSlots, rxLens, rxStampsUs, txSlots, txLens, counts, isTap } = this
    const { frames, slotBytes } = options
    this.hot = addon().linkPort(fd, { isTap, frames, slotBytes, rxSlots, rxLens, rxStampsUs, txSlots, txLens, counts })
  }

  /** Opens an interface, or makes a TAP device. Throws ENODEV, EPERM (needs CAP_NET_RAW, a TAP device CAP_NET_ADMIN), EBUSY, RangeError. */
  static open(options: LinkPortOptions): LinkPort {
    const fd = options.kind === 'tap' ? addon().tapOpen(options.name, false, null, 0) : addon().linkOpen(options.name)
    try {
      return new LinkPort(fd, options)
    } catch (error) {
      closeFd(fd)
      throw error
    }
  }

  get fd(): number {
    return this.descriptor
  }

  /** Throws what recvmsg says; an interface that is down only has no frames. */
  receive(max: number): number {
    return this.hot.receive(max)
  }

  send(count: number): number {
    return this.hot.send(count)
  }

  get faults(): WireFaults {
    if (!this.isTap && this.descriptor >= 0) this.overrun += addon().linkDrops(this.descriptor)
    const [malformed, tooLong, sendLost] = this.counts
    return { overrun: this.overrun, malformed, tooLong, sendLost }
  }

  /** Closes the descriptor; a TAP device goes with it. */
  close(): void {
    if (this.descriptor < 0) return
    this.hot = closedHandle
    closeFd(this.descriptor)
    this.descriptor = -1
  }
}
