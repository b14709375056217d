/**
 * The loop port: frames from one connection of a worker to another of the same worker. Headers are written to the slots of the port
 * beside it like any other frame's; `take` moves them to a queue. Payload stays in the sender's transmit buffer until `deliver`
 * copies it into the receiver's buffer: once, with no memory in between. So a sender's buffer must stay where it is while
 * frames that name it are queued.
 *
 *   queue:   | headers, descriptor | headers, descriptor | ... |
 *            ^ head: received next                       ^ tail
 */
import { addon, type LoopHandle } from './addon.js'
import type { Regions } from './memory.js'
import {
  type Port, type ReceivePort, RX_CHECKSUM_GOOD, RX_LOOPBACK, RX_SPLIT, TX_DESC_WORDS, TX_GSO, TX_HEADER_LEN, TX_PAYLOAD_LEN,
  TX_SLOT_BYTES, TX_SLOT_ETHERNET,
} from './port.js'
import { PortArrays } from './portarrays.js'

const SLOT_WORDS = TX_SLOT_BYTES / 4
/** Words of a slot before the one in which the Ethernet header starts. */
const SLOT_UNUSED_WORDS = TX_SLOT_ETHERNET >> 2
/** Where the IPv4 header starts in a slot, as a word; it has no options (service/fast/emit.ts). */
const IP_WORD = (TX_SLOT_ETHERNET + 14) >> 2

/** Frames that can wait unless the caller says otherwise: twice what fits into the header slots, as a power of two. */
function queueSlotsFor(txSlots: number): number {
  return 2 ** (Math.ceil(Math.log2(txSlots)) + 1)
}

export interface LoopPortOptions {
  /** The port whose header slots and copy descriptors this one shares. */
  readonly beside: Pick<Port, 'burst' | 'txSlots' | 'txHeaderWords' | 'txDesc' | 'copyDesc'>
  readonly regions: Regions
  /** Frames that can wait, a power of two; twice the header slots. */
  readonly queueSlots?: number
}

/** Fills in the checksum of the IPv4 header at word `ip`, whose field is zero (RFC 1071). */
function fillIpChecksum(words: Int32Array, ip: number): void {
  let sum = 0
  for (let i = ip; i < ip + 5; i++) sum += (words[i] & 0xffff) + (words[i] >>> 16)
  sum = (sum & 0xffff) + (sum >>> 16)
  sum = (sum & 0xffff) + (sum >>> 16)
  words[ip + 2] |= (~sum & 0xffff) << 16
}

export class LoopPort extends PortArrays implements ReceivePort {
  readonly frames: Uint8Array
  readonly frameWords: Int32Array
  private readonly sourceWords: Int32Array
  private readonly sourceDesc: Int32Array
  private readonly desc: Int32Array
  private readonly hot: LoopHandle
  private readonly mask: number
  /** Frames ever received and queued, modulo 2^32. */
  private head = 0
  private tail = 0
  /** Frames of the last `receive`. */
  private received = 0

  /** Throws RangeError for sizes that cannot be, NativeError without the addon. */
  constructor(options: LoopPortOptions) {
    const { beside, regions, queueSlots = queueSlotsFor(beside.txSlots) } = options
    super(beside.burst, queueSlots)
    if ((queueSlots & (queueSlots - 1)) !== 0) throw new RangeError(`queueSlots ${queueSlots}: a power of two`)
    this.sourceWords = beside.txHeaderWords
    this.sourceDesc = beside.txDesc
    this.frames = this.txHeaders
    this.frameWords = this.txHeaderWords
    this.desc = this.txDesc
    this.mask = queueSlots - 1
    const shared = { ...this.shared, copyDesc: beside.copyDesc, frames: this.frames }
    this.hot = addon().loopPort({ ...shared, regions: regions.handle, offload: true })
  }

  /** Frames that wait to be received. */
  get pending(): number {
    return (this.tail - this.head) | 0
  }

  /** Queues the frame in header slot `slot` of the port beside. Returns false, and has taken nothing, if the queue is full. */
  take(slot: number): boolean {
    if (this.pending > this.mask) return false
    const { sourceWords, sourceDesc, frameWords, desc } = this
    const place = this.tail & this.mask
    const from = slot * SLOT_WORDS
    const to = place * SLOT_WORDS
    for (let i = SLOT_UNUSED_WORDS; i < SLOT_WORDS; i++) frameWords[to + i] = sourceWords[from + i]
    for (let i = 0; i < TX_DESC_WORDS; i++) desc[place * TX_DESC_WORDS + i] = sourceDesc[slot * TX_DESC_WORDS + i]
    fillIpChecksum(frameWords, to + IP_WORD)
    this.tail = (this.tail + 1) | 0
    return true
  }

  /** Finds the next frames, as Port.receive does. Nobody computes or verifies TCP checksums here. */
  receive(): number {
    const count = Math.min(this.pending, this.burst)
    for (let i = 0; i < count; i++) {
      const place = (this.head + i) & this.mask
      const at = place * TX_DESC_WORDS
      const payloadLen = this.desc[at + TX_PAYLOAD_LEN]
      const gso = this.desc[at + TX_GSO]
      this.rxOffset[i] = place * TX_SLOT_BYTES + TX_SLOT_ETHERNET
      this.rxLen[i] = this.desc[at + TX_HEADER_LEN] + payloadLen
      this.rxFlags[i] = RX_CHECKSUM_GOOD | RX_SPLIT | RX_LOOPBACK
      this.rxGso[i] = payloadLen > gso ? gso : 0
    }
    this.received = count
    return count
  }

  /** Executes the first `count` copy descriptors of the port beside; their frames are this port's. Throws RangeError. */
  deliver(count: number): void {
    this.hot.deliver(count, this.received, this.head & this.mask)
  }

  /** Gives the frames of the last `receive` back. */
  release(): void {
    this.head = (this.head + this.received) | 0
    this.received = 0
  }

  verifyTcp(): boolean {
    return true
  }
}
