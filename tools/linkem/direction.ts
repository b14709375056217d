/** What one direction of an emulated link does to packets. */

/** Bursty loss (Gilbert, Elliott): a chain of two states, good and bad, that moves before each packet. Probabilities from 0 to 1. */
export interface GilbertElliott {
  /** From good to bad. */
  readonly p: number
  /** From bad to good; its inverse is the mean number of packets in the bad state. */
  readonly r: number
  /** 1-h: loss in the bad state. */
  readonly lossBad: number
  /** 1-k: loss in the good state. */
  readonly lossGood: number
}

/** A number of packets or of bytes, whichever is reached first; Infinity for no limit. */
export interface QueueLength {
  readonly packets: number
  readonly bytes: number
}

/** Settings of one direction. Probabilities from 0 to 1. */
export interface DirectionOptions {
  /** kbit/s; 0: as fast as can be, and no queue. */
  readonly rateKbps: number
  /** Added to each frame where the rate counts its bytes: what Ethernet has beyond header and payload. */
  readonly overheadBytes: number
  /** Shorter frames count as this long (before `overheadBytes`). */
  readonly minFrameBytes: number
  readonly delayUs: number
  /** Each packet's delay differs by up to this in either direction; packets keep their order. At most `delayUs`. */
  readonly jitterUs: number
  /** Packets that wait for the transmitter, the one that it sends not counted; further ones are dropped. */
  readonly queue: QueueLength
  /** Packets that find this much waiting are marked CE if they are ECN-capable. */
  readonly ecn: QueueLength
  readonly loss: number
  readonly burstLoss: GilbertElliott | null
  /** Probability that a packet is held back by up to `reorderUs`, while others overtake it. */
  readonly reorder: number
  readonly reorderUs: number
  readonly duplicate: number
  /** Probability that one bit of an IPv4 packet is changed, where a checksum shows it. */
  readonly corrupt: number
  /** Largest IP packet in bytes; Infinity: whatever comes. */
  readonly mtu: number
  /** Whether packets beyond the MTU with DF are answered with ICMP "fragmentation needed" (RFC 1191). */
  readonly icmp: boolean
}

export const NO_QUEUE_LIMIT: QueueLength = { packets: Infinity, bytes: Infinity }

/** Linux's default length of a device's queue. */
const DEFAULT_QUEUE: QueueLength = { packets: 1000, bytes: Infinity }

/** A wire without faults. */
export const PERFECT: DirectionOptions = {
  rateKbps: 0, overheadBytes: 0, minFrameBytes: 0, delayUs: 0, jitterUs: 0, queue: DEFAULT_QUEUE, ecn: NO_QUEUE_LIMIT, loss: 0,
  burstLoss: null, reorder: 0, reorderUs: 0, duplicate: 0, corrupt: 0, mtu: Infinity, icmp: true,
}

/** Preamble and start delimiter 8, FCS 4, gap 12. */
export const ETHERNET_OVERHEAD_BYTES = 24
/** Least frame without FCS. */
export const ETHERNET_MIN_FRAME_BYTES = 60

/** Least MTU that IPv4 works with (RFC 791, 3.2). */
export const MTU_MIN = 68

/** Settings that contradict each other or cannot be. `option` is the name of the setting. */
export class DirectionError extends RangeError {
  readonly option: keyof DirectionOptions

  constructor(option: keyof DirectionOptions, wish: string) {
    super(`${option}: ${wish}`)
    this.option = option
  }
}

function isProbability(value: number): boolean {
  return value >= 0 && value <= 1
}

function isQueueLength({ packets, bytes }: QueueLength): boolean {
  return packets >= 0 && bytes >= 0
}

function checkBurstLoss({ p, r, lossBad, lossGood }: GilbertElliott): void {
  if (![p, r, lossBad, lossGood].every(isProbability)) throw new DirectionError('burstLoss', 'probabilities are from 0 to 1')
}

/** PERFECT with changes. Throws DirectionError for what cannot be. */
export function directionOptions(changes: Partial<DirectionOptions>): DirectionOptions {
  const options = { ...PERFECT, ...changes }
  for (const name of ['loss', 'reorder', 'duplicate', 'corrupt'] as const) {
    if (!isProbability(options[name])) throw new DirectionError(name, 'a probability is from 0 to 1')
  }
  for (const name of ['rateKbps', 'overheadBytes', 'minFrameBytes', 'delayUs', 'jitterUs', 'reorderUs'] as const) {
    if (!(options[name] >= 0 && options[name] < Infinity)) throw new DirectionError(name, 'a number that is not negative is wanted')
  }
  for (const name of ['queue', 'ecn'] as const) {
    if (!isQueueLength(options[name])) throw new DirectionError(name, 'a length that is not negative is wanted')
  }
  if (options.jitterUs > options.delayUs) throw new DirectionError('jitterUs', 'at most the delay')
  if (!(options.mtu >= MTU_MIN)) throw new DirectionError('mtu', `at least ${MTU_MIN}`)
  if (options.burstLoss !== null) checkBurstLoss(options.burstLoss)
  return options
}

/** What happened to the packets of one direction. Bytes are those of frames, Ethernet header included. */
export interface DirectionCounters {
  /** Offered to the direction. */
  packets: number
  bytes: number
  /** Handed out at the far end, duplicates included. */
  delivered: number
  deliveredBytes: number
  /** Dropped: the queue was full. */
  droppedQueue: number
  /** Dropped: longer than the MTU. */
  droppedMtu: number
  /** Lost at random. */
  lost: number
  /** Lost by the Gilbert-Elliott chain. */
  lostBurst: number
  /** Marked CE. */
  marked: number
  /** Met a queue above the ECN threshold and were not ECN-capable. */
  notEcnCapable: number
  heldBack: number
  duplicated: number
  corrupted: number
  /** Duplicates that found no memory. */
  noMemory: number
  /** Largest queue met by a packet. */
  queuePacketsMax: number
  queueBytesMax: number
}

export function emptyCounters(): DirectionCounters {
  return {
    packets: 0, bytes: 0, delivered: 0, deliveredBytes: 0, droppedQueue: 0, droppedMtu: 0, lost: 0, lostBurst: 0, marked: 0,
    notEcnCapable: 0, heldBack: 0, duplicated: 0, corrupted: 0, noMemory: 0, queuePacketsMax: 0, queueBytesMax: 0,
  }
}
