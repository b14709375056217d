/** A port in memory, for tests and simulation. Pure TypeScript; behaves as the native ports do. */
import { checksumFoldSoft } from './checksum.js'
import {
  COPY_DESC_WORDS, COPY_FRAME, COPY_FROM, COPY_LEN, COPY_POS, COPY_REGION, type Port,
  RX_CHECKSUM_GOOD, RX_CHECKSUM_PARTIAL, RX_SPLIT, RX_TRUNCATED, TX_DESC_WORDS, TX_GSO,
  TX_HEADER_LEN, TX_HEADER_LEN_BITS, TX_IP_OPTIONS_SHIFT, TX_PAYLOAD_LEN, TX_POS, TX_REGION, TX_SLOT_BYTES, TX_SLOT_ETHERNET,
} from './port.js'
import { FRAME_SLOT_BYTES, FRAME_SLOT_ETHERNET, PortArrays } from './portarrays.js'

const ETHERNET_LEN = 14
const TCP_START = 34
const TCP_CHECKSUM = TCP_START + 16
const IP_CHECKSUM = 24
const HEADER_MIN = 54
const HEADER_MAX = 94
const IP_TARGET = ETHERNET_LEN + 16
const IP_LEN = 20
const IP_OPTIONS_MIN = 8
const IP_OPTIONS_MAX = 40
const FRAME_MAX = 65535 + ETHERNET_LEN
/** Bytes of a split frame that `frames` shows. */
const SPLIT_HEADERS = 256
const BUFFER_UNIT = 64

export interface MemoryPortOptions {
  /** Largest IP packet without segmentation; 1500. */
  readonly mtu?: number
  /** Whether TX_GSO and partial checksums may be used; false. */
  readonly offload?: boolean
  readonly burst?: number
  readonly txSlots?: number
  /** Memory of a region. */
  readonly memory: (region: number) => Uint8Array
  /**
   * Gets every frame sent: a copy of its own, and the segment size if it is a super-segment. With `offload` the TCP checksum
   * field of frames sent with `transmit` holds the pseudo-header sum: inject them elsewhere with RX_CHECKSUM_PARTIAL.
   */
  readonly onTransmit: (frame: Uint8Array, gsoSize: number) => void
  /** Frames that may wait to be received; 4096. */
  readonly queueMax?: number
  /** Frames longer than this are handed out as RX_SPLIT; none. */
  readonly splitAbove?: number
}

interface Waiting {
  readonly frame: Uint8Array
  readonly flags: number
  readonly gso: number
}

export class MemoryPort extends PortArrays implements Port {
  readonly mtu: number
  readonly offload: boolean
  readonly fd = -1
  readonly frames: Uint8Array
  readonly frameWords: Int32Array
  private readonly options: MemoryPortOptions
  private readonly queueMax: number
  private readonly splitAbove: number
  private readonly waiting: Waiting[] = []
  /** The frames of the last `receive`. */
  private current: Waiting[] = []
  private drops = 0
  private closed = false

  constructor(options: MemoryPortOptions) {
    super(options.burst, options.txSlots)
    this.options = options
    this.mtu = options.mtu ?? 1500
    this.offload = options.offload ?? false
    this.queueMax = options.queueMax ?? 4096
    this.splitAbove = options.splitAbove ?? Infinity
    const memory = new ArrayBuffer(this.burst * FRAME_SLOT_BYTES)
    this.frames = new Uint8Array(memory)
    this.frameWords = new Int32Array(memory)
  }

  /** Frames that wait to be received. */
  get queued(): number {
    return this.waiting.length
  }

  /** Puts a frame (copied) in the receive queue, with RX_* bits and gso_size. Returns false, and counts a drop, if it is full. */
  inject(frame: Uint8Array, flags = 0, gso = 0): boolean {
    if (frame.length < ETHERNET_LEN || frame.length > FRAME_MAX) throw new RangeError(`frame of ${frame.length} bytes`)
    if (this.closed || this.waiting.length >= this.queueMax) {
      this.drops++
      return false
    }
    const split = frame.length > this.splitAbove ? RX_SPLIT : 0
    this.waiting.push({ frame: frame.slice(), flags: flags | split, gso })
    return true
  }

  receive(): number {
    this.current = this.waiting.splice(0, this.burst)
    for (let i = 0; i < this.current.length; i++) {
      const { frame, flags, gso } = this.current[i]
      const offset = i * FRAME_SLOT_BYTES + FRAME_SLOT_ETHERNET
      this.frames.set((flags & RX_SPLIT) !== 0 ? frame.subarray(0, SPLIT_HEADERS) : frame, offset)
      this.rxOffset[i] = offset
      this.rxLen[i] = frame.length
      this.rxFlags[i] = flags
      this.rxGso[i] = gso
    }
    return this.current.length
  }

  deliver(count: number): void {
    if (count < 0 || count * COPY_DESC_WORDS > this.copyDesc.length) throw new RangeError(`deliver: ${count} copy descriptors`)
    for (let i = 0; i < count; i++) {
      const at = i * COPY_DESC_WORDS
      const source = this.copySource(this.copyDesc[at + COPY_FRAME], i)
      const from = this.copyDesc[at + COPY_FROM] >>> 0
      const len = this.copyDesc[at + COPY_LEN]
      const ring = this.ring(this.copyDesc, at + COPY_REGION, `copy ${i}`)
      if (from + len > source.length) throw new RangeError(`copy ${i}: bytes ${from} to ${from + len} of a source of ${source.length}`)
      const start = this.copyDesc[at + COPY_POS] & (ring.length - 1)
      const first = Math.min(len, ring.length - start)
      ring.set(source.subarray(from, from + first), start)
      ring.set(source.subarray(from + first, from + len), 0)
    }
  }

  private copySource(frame: number, index: number): Uint8Array {
    if (frame === -1) return this.options.memory(0)
    if (frame < 0 || frame >= this.current.length) throw new RangeError(`copy ${index}: frame ${frame} is not in this burst`)
    if ((this.rxFlags[frame] & RX_TRUNCATED) !== 0) throw new RangeError(`copy ${index}: frame ${frame} is truncated`)
    return this.received(frame)
  }

  /** A frame of this burst where rxOffset and rxLen say that it stands: a tag may have been taken off it. */
  private received(index: number): Uint8Array {
    const { frame, flags } = this.current[index]
    if ((flags & RX_SPLIT) !== 0) return frame
    return this.frames.subarray(this.rxOffset[index], this.rxOffset[index] + this.rxLen[index])
  }

  /** The ring buffer that a descriptor's words region, buffer, bufferLen, pos, length name, checked. */
  private ring(desc: Int32Array, at: number, what: string): Uint8Array {
    const memory = this.options.memory(desc[at])
    const start = (desc[at + 1] >>> 0) * BUFFER_UNIT
    const size = desc[at + 2]
    const len = desc[at + 4]
    if (memory === undefined) throw new RangeError(`${what}: region ${desc[at]} is not there`)
    if (size <= 0 || (size & (size - 1)) !== 0) throw new RangeError(`${what}: buffer length ${size} is not a power of two`)
    if (start + size > memory.length) {
      throw new RangeError(`${what}: buffer at ${start} of ${size} bytes is outside region ${desc[at]} of ${memory.length}`)
    }
    if (len < 0 || len > size) throw new RangeError(`${what}: length ${len} is outside a buffer of ${size}`)
    return memory.subarray(start, start + size)
  }

  release(): void {
    this.current = []
  }

  verifyTcp(index: number): boolean {
    const flags = this.rxFlags[index]
    if (index < 0 || index >= this.current.length || (flags & RX_TRUNCATED) !== 0) return false
    if ((flags & (RX_CHECKSUM_PARTIAL | RX_CHECKSUM_GOOD)) !== 0) return true
    return (flags & RX_SPLIT) === 0 && isTcpSumRight(this.received(index))
  }

  transmit(first: number, count: number): number {
    if (first < 0 || count < 0 || first + count > this.txSlots) {
      throw new RangeError(`transmit: ${count} slots from ${first} of ${this.txSlots}`)
    }
    // As in the native ports, a wrong descriptor keeps the whole batch back.
    const batch: Waiting[] = []
    for (let slot = first; slot < first + count; slot++) batch.push(this.assemble(slot))
    for (const { frame, gso } of batch) this.options.onTransmit(frame, gso)
    return count
  }

  private assemble(slot: number): Waiting {
    const at = slot * TX_DESC_WORDS
    const desc = this.txDesc
    const headerLen = desc[at + TX_HEADER_LEN] & TX_HEADER_LEN_BITS
    const ipOptions = desc[at + TX_HEADER_LEN] >> TX_IP_OPTIONS_SHIFT
    const payloadLen = desc[at + TX_PAYLOAD_LEN]
    const gso = desc[at + TX_GSO]
    const what = `transmit slot ${slot}`
    const areOptionsGood = ipOptions === 0 || (ipOptions >= IP_OPTIONS_MIN && ipOptions <= IP_OPTIONS_MAX && gso === 0)
    const isLenGood = headerLen >= HEADER_MIN + ipOptions && headerLen <= Math.min(HEADER_MAX + ipOptions, TX_SLOT_BYTES - TX_SLOT_ETHERNET)
    if (!areOptionsGood || !isLenGood) throw new RangeError(`${what}: header length ${headerLen}`)
    if (gso < 0 || gso > 65535 || (gso > 0 && !this.offload)) throw new RangeError(`${what}: segment size ${gso}`)
    const payload = payloadLen === 0 ? new Uint8Array(0) : this.payload(at, what)
    if (headerLen - ETHERNET_LEN + payloadLen > 65535) throw new RangeError(`${what}: ${payloadLen} bytes of payload`)
    const frame = new Uint8Array(headerLen + payloadLen)
    const start = slot * TX_SLOT_BYTES + TX_SLOT_ETHERNET
    frame.set(this.txHeaders.subarray(start, start + headerLen))
    frame.set(payload, headerLen)
    this.fillChecksums(frame, ipOptions)
    return { frame, flags: 0, gso: payloadLen > gso ? gso : 0 }
  }

  private payload(at: number, what: string): Uint8Array {
    const ring = this.ring(this.txDesc, at + TX_REGION, what)
    const len = this.txDesc[at + TX_PAYLOAD_LEN]
    const start = this.txDesc[at + TX_POS] & (ring.length - 1)
    const bytes = new Uint8Array(len)
    bytes.set(ring.subarray(start, Math.min(start + len, ring.length)))
    const first = Math.min(len, ring.length - start)
    bytes.set(ring.subarray(0, len - first), first)
    return bytes
  }

  private fillChecksums(frame: Uint8Array, ipOptions: number): void {
    const tcpStart = TCP_START + ipOptions
    const tcpLen = frame.length - tcpStart
    store16(frame, IP_CHECKSUM, 0)
    store16(frame, IP_CHECKSUM, ~checksumFoldSoft(frame, ETHERNET_LEN, IP_LEN + ipOptions, 0))
    // A source route ends with the address that counts.
    const pseudo = pseudoSum(frame, tcpLen, ipOptions === 0 ? IP_TARGET : tcpStart - 4)
    store16(frame, TCP_CHECKSUM + ipOptions, this.offload ? pseudo : 0)
    if (!this.offload) store16(frame, TCP_CHECKSUM + ipOptions, ~checksumFoldSoft(frame, tcpStart, tcpLen, pseudo))
  }

  sendFrame(frame: Uint8Array, len: number): boolean {
    if (len < ETHERNET_LEN || len > frame.length || len > FRAME_MAX) {
      throw new RangeError(`sendFrame: ${len} bytes of a Uint8Array of ${frame.length}`)
    }
    this.options.onTransmit(frame.slice(0, len), 0)
    return true
  }

  takeDrops(): number {
    const drops = this.drops
    this.drops = 0
    return drops
  }

  close(): void {
    this.closed = true
    this.waiting.length = 0
    this.current = []
  }
}

function store16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

/** Sum of the TCP pseudo-header (RFC 9293, 3.1) of a frame with IPv4, whose destination stands at `target`. */
function pseudoSum(frame: Uint8Array, tcpLen: number, target: number): number {
  return checksumFoldSoft(frame, target, 4, checksumFoldSoft(frame, ETHERNET_LEN + 12, 4, 6 + tcpLen))
}

function isTcpSumRight(frame: Uint8Array): boolean {
  if (frame.length < HEADER_MIN || frame[12] !== 8 || frame[13] !== 0 || frame[14] >> 4 !== 4 || frame[23] !== 6) return false
  const headerLen = (frame[14] & 15) * 4
  const total = (frame[16] << 8) | frame[17]
  const tcpLen = total - headerLen
  if (headerLen < 20 || tcpLen < 20 || total > frame.length - ETHERNET_LEN) return false
  return checksumFoldSoft(frame, ETHERNET_LEN + headerLen, tcpLen, pseudoSum(frame, tcpLen, IP_TARGET)) === 0xffff
}
