/**
 * A port for measuring the fast-path step alone: frames stand ready in memory and are sent to nowhere, but the
 * payload copies are the native ones of the real port.
 */
import { addon, type PacketHandle } from '../native/addon.js'
import { closeFd, EventFd, RX_CHECKSUM_PARTIAL, type Port, type Regions } from '../native/index.js'
import { PortArrays } from '../native/portarrays.js'

/** Bytes from one frame to the next, and where the Ethernet header starts in it. */
export const FRAME_STRIDE = 2048
export const FRAME_START = 82

export class StepPort extends PortArrays implements Port {
  readonly mtu = 1500
  readonly offload = true
  readonly fd = -1
  readonly frames: Uint8Array
  readonly frameWords: Int32Array
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
    super(burst)
    this.count = count
    this.frameLen = frameLen
    const memory = new ArrayBuffer(count * FRAME_STRIDE)
    this.frames = new Uint8Array(memory)
    this.frameWords = new Int32Array(memory)
    this.descriptor = new EventFd()
    this.native = addon().packetPort(this.descriptor.fd, -1, {
      ...this.shared, regions: regions.handle, frames: this.frames, offload: true, slots: count, slotBytes: FRAME_STRIDE,
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
