/** What a connection can be asked about itself: TCP_INFO of Linux. */
import {
  AS_PART, AS_VALUE, CONGESTION_CONTROLS, INFO_ECN, INFO_KEEP_ALIVE, INFO_NAMES, INFO_NO_DELAY, INFO_PART_WORDS, INFO_PARTS,
  INFO_SACK, INFO_TIMESTAMPS, INFO_WINDOW_SCALING, infoOfWords, TCP_STATES,
} from '../memif/index.js'
import { codeOfStatus, type TasError } from './errors.js'

/** A connection at one moment. Byte counts since it opened are modulo 2^32. */
export interface ConnectionInfo {
  /** State of RFC 9293, 3.3.2: 'ESTABLISHED', ... */
  readonly state: string
  /** Smoothed round-trip time and its variation (RFC 6298), microseconds; 0 before the first measurement. */
  readonly rttUs: number
  readonly rttvarUs: number
  /** Retransmission timeout as it is now, back-off included, microseconds. */
  readonly rtoUs: number
  /** Least round-trip time, microseconds; 0 if unknown. */
  readonly minRttUs: number
  /** Most payload bytes in a segment. */
  readonly mssBytes: number
  /** Congestion window and slow-start threshold (RFC 5681). */
  readonly cwndBytes: number
  readonly ssthreshBytes: number
  /** Pacing rate in kbit/s; 0 for none. */
  readonly rateKbps: number
  /** Sent and not acknowledged. */
  readonly inFlightBytes: number
  /** Handed over with txSend and not sent yet. */
  readonly unsentBytes: number
  readonly ackedBytes: number
  readonly receivedBytes: number
  /** Sent at least once. */
  readonly sentBytes: number
  /** Segments sent again. */
  readonly retransmits: number
  /** Bytes in flight taken for lost, and selectively acknowledged. */
  readonly lostBytes: number
  readonly sackedBytes: number
  /** Segments were seen to change places on the way. */
  readonly reorderSeen: boolean
  /** Received bytes that wait for what is missing before them: the first such interval. */
  readonly outOfOrderBytes: number
  /** Window that we offer and window that the peer offers. */
  readonly rcvWndBytes: number
  readonly sndWndBytes: number
  /** Milliseconds since the peer was last heard. */
  readonly heardMs: number
  /** Name of the last error that did not end the connection, or ''. */
  readonly softError: string
  /** Timeouts in a row. */
  readonly backoff: number
  /** Keepalive probes without an answer. */
  readonly keepProbes: number
  /** Agreed on in the handshake: RFC 7323, RFC 2018, RFC 3168. */
  readonly timestamps: boolean
  readonly sack: boolean
  readonly windowScaling: boolean
  readonly ecn: boolean
  /** Shifts of the windows that we send and that the peer sends. */
  readonly rcvWscale: number
  readonly sndWscale: number
  /** Present buffers. */
  readonly rxBufferBytes: number
  readonly txBufferBytes: number
  /** Options in force. */
  readonly noDelay: boolean
  readonly keepAlive: boolean
  readonly keepIdleMs: number
  readonly userTimeoutMs: number
  readonly tos: number
  readonly rxLimitBytes: number
  readonly txLimitBytes: number
  /** The algorithm in force: 'cubic' also where one with ECN was chosen and cannot be had. */
  readonly congestionControl: string
}

function infoFrom(words: Int32Array): ConnectionInfo {
  const { state, flags, congestion, softError, reorderSeen, ...values } = infoOfWords(words)
  const has = (bit: number): boolean => (flags & bit) !== 0
  return {
    ...values, state: TCP_STATES[state] ?? '', softError: codeOfStatus(softError), reorderSeen: reorderSeen !== 0,
    timestamps: has(INFO_TIMESTAMPS), sack: has(INFO_SACK), windowScaling: has(INFO_WINDOW_SCALING), ecn: has(INFO_ECN),
    noDelay: has(INFO_NO_DELAY), keepAlive: has(INFO_KEEP_ALIVE), congestionControl: CONGESTION_CONTROLS[congestion] ?? '',
  }
}

/** Gets the answer in place of an event. */
export interface InfoWaiter {
  resolve(info: ConnectionInfo): void
  reject(error: TasError): void
}

/** Questions of one connection that are on their way; they are answered in order. */
export class InfoRequests {
  private readonly words = new Int32Array(INFO_NAMES.length)
  private waiters: (InfoWaiter | null)[] = []

  /** One more; without a waiter the answer is an event. */
  add(waiter: InfoWaiter | null): void {
    this.waiters.push(waiter)
  }

  /** Takes one part of an answer over. Returns the information if it was the last part, else null. */
  take(words: Int32Array, at: number): ConnectionInfo | null {
    const part = words[at + AS_PART]
    if (part < 0 || part >= INFO_PARTS) return null
    for (let i = 0; i < INFO_PART_WORDS; i++) this.words[part * INFO_PART_WORDS + i] = words[at + AS_VALUE + i]
    return part === INFO_PARTS - 1 ? infoFrom(this.words) : null
  }

  /** Who asked first; null for an event, undefined if nobody did or wants the answer any more. */
  next(): InfoWaiter | null | undefined {
    return this.waiters.shift()
  }

  /** No answer will be waited for. */
  fail(error: TasError): void {
    const { waiters } = this
    this.waiters = []
    for (const waiter of waiters) waiter?.reject(error)
  }
}
