/**
 * The TAP port: TAS behind a TAP device, whose other end is the host kernel. Frames are read into slots of 66 KiB, one
 * system call each.
 */
import { addon, type TapHandle } from './addon.js'
import { refuseClosed } from './closed.js'
import { interfaceInfo } from './interfaces.js'
import { closeFd, type Regions } from './memory.js'
import type { Port } from './port.js'
import { FRAME_SLOT_BYTES, PortArrays } from './portarrays.js'

export interface TapPortOptions {
  /** Name of the device. */
  readonly name: string
  readonly regions: Regions
  readonly offload: boolean
  /** VLAN whose tag frames carry and of which only frames are ours, 1 to 4094; 0, or left out: none. */
  readonly vlan?: number
  /** MAC address of the host's end of the device; the kernel chooses one if it is left out. */
  readonly hostMac?: Uint8Array
  /** Whether `addQueue` is to be possible. The device must not be there then. */
  readonly hasQueues?: boolean
  readonly txSlots?: number
  readonly burst?: number
}

/** As native/src/tapport.cpp has them. */
const SINGLE_QUEUE = 0
const FIRST_QUEUE = 1
const NEXT_QUEUE = 2

const closedHandle: TapHandle = {
  receive: refuseClosed, deliver: refuseClosed, release: refuseClosed, transmit: refuseClosed, sendFrame: refuseClosed, verifyTcp: refuseClosed,
}

export class TapPort extends PortArrays implements Port {
  readonly mtu: number
  readonly offload: boolean
  readonly frames: Uint8Array
  readonly frameWords: Int32Array
  private readonly name: string
  private descriptor: number
  private hot: TapHandle

  private constructor(fd: number, options: TapPortOptions) {
    super(options.burst, options.txSlots)
    this.descriptor = fd
    this.name = options.name
    this.mtu = interfaceInfo(options.name).mtu
    this.offload = options.offload
    const memory = new ArrayBuffer(this.burst * FRAME_SLOT_BYTES)
    this.frames = new Uint8Array(memory)
    this.frameWords = new Int32Array(memory)
    this.hot = addon().tapPort(fd, {
      ...this.shared, regions: options.regions.handle, frames: this.frames, offload: options.offload, vlan: options.vlan ?? 0,
    })
  }

  /**
   * Creates the device, which lives as long as its descriptors, and brings it up. Throws EPERM (needs CAP_NET_ADMIN),
   * EBUSY (somebody else has it), EINVAL (a bad name).
   */
  static open(options: TapPortOptions): TapPort {
    const fd = addon().tapOpen(options.name, options.offload, options.hostMac ?? null, options.hasQueues === true ? FIRST_QUEUE : SINGLE_QUEUE)
    try {
      return new TapPort(fd, options)
    } catch (error) {
      closeFd(fd)
      throw error
    }
  }

  /**
   * Adds a queue to the device, for `attach` in another process: the kernel gives a connection's frames to the queue that has sent for it last, those
   * of one it does not know to any. Returns a descriptor, which belongs to the caller. Throws as `open` does.
   */
  addQueue(): number {
    return addon().tapOpen(this.name, this.offload, null, NEXT_QUEUE)
  }

  /** Takes over a descriptor that `open` made, here or in another process, with the same options. */
  static attach(fd: number, options: TapPortOptions): TapPort {
    return new TapPort(fd, options)
  }

  get fd(): number {
    return this.descriptor
  }

  receive(): number {
    return this.hot.receive()
  }

  deliver(count: number): void {
    this.hot.deliver(count)
  }

  release(): void {
    this.hot.release()
  }

  verifyTcp(index: number): boolean {
    return this.hot.verifyTcp(index)
  }

  transmit(first: number, count: number): number {
    return this.hot.transmit(first, count)
  }

  sendFrame(frame: Uint8Array, len: number): boolean {
    return this.hot.sendFrame(frame, len)
  }

  /** The device does not say what it has dropped. */
  takeDrops(): number {
    return 0
  }

  /** Closes the descriptor; with the last one the device goes. */
  close(): void {
    if (this.descriptor < 0) return
    this.hot = closedHandle
    closeFd(this.descriptor)
    this.descriptor = -1
  }
}
