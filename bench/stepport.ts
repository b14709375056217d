/**
 * A port for measuring the fast-path step alone: frames stand ready in memory and are sent to nowhere, but the
 * payload copies are the native ones of the real port.
 */
import { addon, type PacketHandle } from '../native/addon.js'
import { closeFd, EventFd, RX_CHECKSUM_PARTIAL, type Port, type Regions } from '../native/index.js'
import { makePortArrays } from '../native/portarrays.js'

/** Bytes from one frame to the next, and where the Ethernet header starts in it. */
export const FRAME_STRIDE = 2048
export const FRAME_START = 82

export class StepPort implements Port {
  readonly mtu = 1500
  readonly offload = true
  readonly fd = -1
  readonly burst: number
  readonly txSlots = 256
  readonly frames: Uint8Array
  readonly frameWords: Int32Array
  readonly rxOffset: Int32Array
  readonly rxLen: Int32Array
  readonly rxFlags: Int32Array
  readonly rxGso: Int32Array
  readonly copyDesc: Int32Array
  readonly txHeaders: Uint8Array
  readonly txHeaderWords: Int32Array
  readonly txDesc: Int32Array
  /** Frames sent. */
  sent = 0
  private readonly count: number
  private readonly frameLen: number
  private readonly native: PacketHandle
  private readonly descriptor: EventFd
  private next = 0
  private received = 0

  /** `count` frames of `frameLen` bytes each, handed out `burst` at a time. */
  constructor(regions: Regions, count: number, frameLen: number, burst: number) {
    this.count = count
    this.frameLen = frameLen
    this.burst = burst
    const memory = new ArrayBuffer(count * FRAME_STRIDE)
    this.frames = new Uint8Array(memory)
    this.frameWords = new Int32Array(memory)
    const arrays = makePortArrays(burst, this.txSlots)
    this.rxOffset = arrays.rxOffset
    this.rxLen = arrays.rxLen
    this.rxFlags = arrays.rxFlags
    this.rxGso = arrays.rxGso
    this.copyDesc = arrays.copyDesc
    this.txHeaders = arrays.txHeaders
    this.txHeaderWords = arrays.txHeaderWords
    this.txDesc = arrays.txDesc
    this.descriptor = new EventFd()
    this.native = addon().packetPort(this.descriptor.fd, {
      ...arrays, regions: regions.handle, frames: this.frames, offload: true, slots: count, slotBytes: FRAME_STRIDE,
    })
  }

  /** Starts over with the first frame. */
  rewind(): void {
    this.next = 0
  }

  receive(): number {
    const count = Math.min(this.burst, this.count - this.next)
    for (let i = 0; i < count; i++) {
      this.rxOffset[i] = (this.next + i) * FRAME_STRIDE + FRAME_START
      this.rxLen[i] = this.frameLen
      this.rxFlags[i] = RX_CHECKSUM_PARTIAL
    }
    this.next += count
    this.received = count
    return count
  }

  deliver(count: number): void {
    this.native.deliver(count, this.received, 0)
  }

  release(): void {}

  verifyTcp(): boolean {
    return true
  }

  transmit(_first: number, count: number): number {
    this.sent += count
    return count
  }

  sendFrame(): boolean {
    return true
  }

  takeDrops(): number {
    return 0
  }

  close(): void {
    closeFd(this.descriptor.fd)
  }
}
