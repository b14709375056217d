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
  readonly txSlots?: number
  readonly burst?: number
}

const closedHandle: TapHandle = {
  receive: refuseClosed, deliver: refuseClosed, release: refuseClosed, transmit: refuseClosed, sendFrame: refuseClosed, verifyTcp: refuseClosed,
}

export class TapPort extends PortArrays implements Port {
  readonly mtu: number
  readonly offload: boolean
  readonly frames: Uint8Array
  readonly frameWords: Int32Array
  private descriptor: number
  private hot: TapHandle

  private constructor(fd: number, options: TapPortOptions) {
    super(options.burst, options.txSlots)
    this.descriptor = fd
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
    const fd = addon().tapOpen(options.name, options.offload, options.hostMac ?? null)
    try {
      return new TapPort(fd, options)
    } catch (error) {
      closeFd(fd)
      throw error
    }
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
