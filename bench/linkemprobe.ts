/**
 * Sends numbered frames at a fixed rate into one interface and sees when they come out of another: `node linkemprobe.js IN OUT JSON`.
 * Both interfaces are in one namespace, so one clock times both ends. Prints a ProbeResult.
 */
import { LinkPort, nowUs } from '../native/index.js'

export interface ProbeOrder {
  /** Bytes of each frame, Ethernet header included, without FCS. */
  readonly frameBytes: number
  /** Frames in a second. */
  readonly framesPerSecond: number
  readonly seconds: number
  /** Not counted: the time until the queue is full. */
  readonly warmupSeconds: number
}

export interface ProbeResult {
  readonly sent: number
  readonly received: number
  /** Bits of frames in a second, from the first to the last frame that came after the warm-up; 0 if there were less than two. */
  readonly bitsPerSecond: number
  readonly framesPerSecond: number
  /** Delays of the frames after the warm-up, microseconds. */
  readonly delayUs: { readonly p1: number; readonly p50: number; readonly p99: number; readonly max: number }
}

const SLOT_BYTES = 2048
const SLOTS = 64
/** Sent with one call: those behind the first get its time, which is early by their share of the call. */
const SEND_MAX = 4
/** Frames may come this long after the last was sent. */
const TAIL_US = 1_000_000
/** IEEE 802.1: local experiments. */
const ETHERTYPE_EXPERIMENTAL = 0x88b5
const SEQ_AT = 14

class Probe {
  private readonly frames = new Uint8Array(new ArrayBuffer(2 * SLOTS * SLOT_BYTES))
  private readonly view = new DataView(this.frames.buffer)
  private readonly input: LinkPort
  private readonly output: LinkPort
  private readonly order: ProbeOrder
  private readonly sentUs: Float64Array
  private readonly cameUs: Float64Array
  private sent = 0
  private received = 0

  constructor(input: string, output: string, order: ProbeOrder) {
    const options = { kind: 'af_packet', frames: this.frames, slotBytes: SLOT_BYTES, burst: SLOTS } as const
    this.order = order
    this.input = LinkPort.open({ ...options, name: input })
    this.output = LinkPort.open({ ...options, name: output })
    const count = Math.ceil(order.framesPerSecond * (order.seconds + order.warmupSeconds))
    this.sentUs = new Float64Array(count)
    this.cameUs = new Float64Array(count)
    for (let slot = 0; slot < SLOTS; slot++) {
      this.output.rxSlots[slot] = SLOTS + slot
      this.frames.fill(0xff, slot * SLOT_BYTES, slot * SLOT_BYTES + 6)
      this.frames.set([2, 0, 0, 0, 0, 1], slot * SLOT_BYTES + 6)
      this.view.setUint16(slot * SLOT_BYTES + 12, ETHERTYPE_EXPERIMENTAL)
    }
  }

  private send(count: number): void {
    for (let i = 0; i < count; i++) {
      this.view.setUint32(i * SLOT_BYTES + SEQ_AT, this.sent + i)
      this.input.txSlots[i] = i
      this.input.txLens[i] = this.order.frameBytes
    }
    const now = nowUs()
    const taken = this.input.send(count)
    this.sentUs.fill(now, this.sent, this.sent + taken)
    this.sent += taken
  }

  private receive(): void {
    const count = this.output.receive(SLOTS)
    for (let i = 0; i < count; i++) {
      const at = (SLOTS + i) * SLOT_BYTES
      const seq = this.view.getUint32(at + SEQ_AT)
      if (this.view.getUint16(at + 12) !== ETHERTYPE_EXPERIMENTAL || seq >= this.cameUs.length) continue
      this.cameUs[seq] = this.output.rxStampsUs[i]
      this.received++
    }
  }

  run(): ProbeResult {
    const { framesPerSecond } = this.order
    const startUs = nowUs()
    const total = this.sentUs.length
    let lastUs = startUs
    while (this.sent < total || (this.received < total && nowUs() < lastUs + TAIL_US)) {
      const due = Math.min(total, Math.floor(((nowUs() - startUs) / 1e6) * framesPerSecond) + 1) - this.sent
      if (due > 0) {
        this.send(Math.min(due, SEND_MAX))
        lastUs = nowUs()
      }
      this.receive()
    }
    return this.result(startUs + this.order.warmupSeconds * 1e6)
  }

  private result(fromUs: number): ProbeResult {
    const delays: number[] = []
    let firstUs = Infinity
    let lastUs = -Infinity
    for (let seq = 0; seq < this.sent; seq++) {
      if (this.cameUs[seq] === 0 || this.sentUs[seq] < fromUs) continue
      delays.push(this.cameUs[seq] - this.sentUs[seq])
      firstUs = Math.min(firstUs, this.cameUs[seq])
      lastUs = Math.max(lastUs, this.cameUs[seq])
    }
    delays.sort((a, b) => a - b)
    const at = (share: number): number => delays[Math.min(delays.length - 1, Math.floor(delays.length * share))] ?? 0
    // The first frame ends the transmission of what is not counted.
    const framesPerSecond = delays.length < 2 ? 0 : ((delays.length - 1) * 1e6) / (lastUs - firstUs)
    return {
      sent: this.sent, received: this.received, framesPerSecond, bitsPerSecond: framesPerSecond * this.order.frameBytes * 8,
      delayUs: { p1: at(0.01), p50: at(0.5), p99: at(0.99), max: at(1) },
    }
  }
}

const [input, output, order] = process.argv.slice(2)
console.log(JSON.stringify(new Probe(input, output, JSON.parse(order) as ProbeOrder).run()))
