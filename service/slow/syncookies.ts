/**
 * SYN cookies: all that a half-open connection would have to remember, told to the peer, who brings it back
 * (RFC 4987, 3.6; D. J. Bernstein 1996).
 *
 *   our ISS   = IRS + | slot, 5 bits | MSS, 3 bits | keyed hash, 24 bits |
 *   our TSval =       | time in milliseconds, 26 bits | ECN | SACK | window scale, 4 bits |
 *
 * The hash covers the four-tuple, the IRS, the slot and the MSS. Each slot of a minute has a random key of its own; keys of
 * the present slot and the one before are kept, so a cookie is good for one to two minutes, and a guessed one is right
 * once in 2^28. The options stand in the timestamp, which any peer echoes: RFC 6013 (historic, RFC 7805) wants options that both ends know.
 */
import {
  NO_OPTIONS, seqAdd, seqDiff, TCP_CWR, TCP_ECE, TCP_SYN, type TcpOptions, type TcpParsed, WINDOW_SCALE_MAX, writeU16,
  writeWord,
} from '../../lib/wire/index.js'
import type { FourTuple } from './isn.js'
import { siphash } from './siphash.js'

/** How long one key makes cookies, microseconds. */
export const COOKIE_SLOT_US = 60_000_000
/** No cookie is good for longer. */
export const COOKIE_LIFE_US = 2 * COOKIE_SLOT_US

/**
 * What an MSS option is cut down to. The first is what takeOffer makes of anything smaller, then the default of RFC 9293,
 * 3.7.1, tunnels, PPPoE with and without timestamps counted, Ethernet, jumbo frames.
 */
export const COOKIE_MSS = [64, 256, 536, 1220, 1360, 1440, 1460, 8960] as const
/** Index of the MSS that a peer without the option has (RFC 9293, 3.7.1). */
const MSS_DEFAULT_INDEX = 2

const SLOT_SHIFT = 27
const SLOT_MASK = 31
const MSS_SHIFT = 24
const MSS_MASK = 7
const HASH_MASK = 0xffffff
/** Local address, remote address, ports, IRS, slot and MSS. */
const MESSAGE_BYTES = 17

/** Bits of TSval that hold options; the clock's own lowest bits give way. */
const OPTION_BITS = 6
const OPTION_MASK = (1 << OPTION_BITS) - 1
const NO_SCALE = 15
const SACK_BIT = 1 << 4
const ECN_BIT = 1 << 5
const ECN_SETUP = TCP_ECE | TCP_CWR

/** Makes and checks cookies. */
export class SynCookies {
  private readonly random: { u32(): number }
  private readonly message = new Uint8Array(MESSAGE_BYTES)
  private slot = -1
  private key: Uint8Array = new Uint8Array(16)
  private lastKey: Uint8Array = new Uint8Array(16)

  /** `random` gives unpredictable 32-bit numbers. */
  constructor(random: { u32(): number }) {
    this.random = random
  }

  /** Our initial sequence number for a SYN with initial sequence number `irs`; `mss` is an index of COOKIE_MSS. */
  issue(tuple: FourTuple, irs: number, mss: number, nowUs: number): number {
    this.turn(nowUs)
    const head = ((this.slot & SLOT_MASK) << 3) | mss
    return seqAdd(irs, (head << MSS_SHIFT) | this.hash(this.key, tuple, irs, head))
  }

  /** Index of the MSS if `iss` is a cookie for these addresses and `irs` that is not too old, otherwise -1. One hash at most. */
  check(tuple: FourTuple, irs: number, iss: number, nowUs: number): number {
    this.turn(nowUs)
    const cookie = seqDiff(iss, irs)
    const age = (this.slot - (cookie >>> SLOT_SHIFT)) & SLOT_MASK
    if (age > 1) return -1
    const isGood = this.hash(age === 0 ? this.key : this.lastKey, tuple, irs, cookie >>> MSS_SHIFT) === (cookie & HASH_MASK)
    return isGood ? (cookie >>> MSS_SHIFT) & MSS_MASK : -1
  }

  /**
   * Whether `iss` can be a cookie that is not too old for an initial sequence number a little before `seq`: one number in ten is, by its
   * slot alone.
   */
  isRecent(seq: number, iss: number, nowUs: number): boolean {
    this.turn(nowUs)
    const least = seqDiff(iss, seq)
    // What came between is less than the hash has room for: it may have borrowed from the slot.
    return [least, seqAdd(least, HASH_MASK)].some((cookie) => ((this.slot - (cookie >>> SLOT_SHIFT)) & SLOT_MASK) <= 1)
  }

  /** Changes keys when a new slot has begun. */
  private turn(nowUs: number): void {
    const slot = Math.floor(nowUs / COOKIE_SLOT_US)
    if (slot === this.slot) return
    // After a pause nothing of the slot before can be on its way: a key that nobody has seen stands for it.
    this.lastKey = slot === this.slot + 1 && this.slot >= 0 ? this.key : this.freshKey()
    this.key = this.freshKey()
    this.slot = slot
  }

  private freshKey(): Uint8Array {
    const key = new Uint8Array(16)
    for (let at = 0; at < 16; at += 4) writeWord(key, at, this.random.u32())
    return key
  }

  private hash(key: Uint8Array, tuple: FourTuple, irs: number, head: number): number {
    writeWord(this.message, 0, tuple.localIp)
    writeWord(this.message, 4, tuple.remoteIp)
    writeU16(this.message, 8, tuple.localPort)
    writeU16(this.message, 10, tuple.remotePort)
    writeWord(this.message, 12, irs)
    this.message[16] = head
    return siphash(key, this.message)[0] & HASH_MASK
  }
}

/** Index of the largest MSS of COOKIE_MSS that is not above the offered one. */
export function cookieMssIndex(mss: number | null): number {
  if (mss === null) return MSS_DEFAULT_INDEX
  let index = COOKIE_MSS.length - 1
  while (index > 0 && COOKIE_MSS[index] > mss) index--
  return index
}

/** The SYN as it can be rebuilt later. Without timestamps there is no place for window scale, SACK and ECN. */
export function cookieOffer(syn: TcpParsed): TcpParsed {
  const { options } = syn
  const mss = COOKIE_MSS[cookieMssIndex(options.mss)]
  if (options.timestamps === null) return { ...syn, flags: TCP_SYN, options: { ...NO_OPTIONS, mss } }
  const ecn = (syn.flags & ECN_SETUP) === ECN_SETUP ? ECN_SETUP : 0
  return { ...syn, flags: TCP_SYN | ecn, options: { ...options, mss } }
}

/**
 * TSval of a SYN-ACK sent at `nowMs` (the timestamp clock) that remembers `offer`: never ahead of the clock, and never falling while
 * the offer stays the same, so that the peer's PAWS (RFC 7323, 5) takes whatever we send later.
 */
export function cookieTimestamp(offer: TcpParsed, nowMs: number): number {
  const { windowScale, sackPermitted } = offer.options
  const bits = (windowScale ?? NO_SCALE) | (sackPermitted ? SACK_BIT : 0) | ((offer.flags & TCP_ECE) !== 0 ? ECN_BIT : 0)
  const value = (nowMs & ~OPTION_MASK) | bits
  return seqDiff(value, nowMs) > 0 ? (value - OPTION_MASK - 1) | 0 : value
}

/** The SYN that the cookie with MSS index `mss` answered, as far as `ack`, which brought the cookie back, tells. */
export function restoreOffer(ack: TcpParsed, mss: number, nowMs: number): TcpParsed {
  const options = restoreOptions(ack, nowMs)
  const ecn = options !== null && ((ack.options.timestamps?.echo ?? 0) & ECN_BIT) !== 0 ? ECN_SETUP : 0
  return {
    ...ack, seq: seqAdd(ack.seq, -1), ack: 0, flags: TCP_SYN | ecn, payloadLen: 0,
    options: { ...(options ?? NO_OPTIONS), mss: COOKIE_MSS[mss] },
  }
}

/** Null if the segment has no timestamps, or echoes what we cannot have sent lately. */
function restoreOptions({ options: { timestamps } }: TcpParsed, nowMs: number): TcpOptions | null {
  if (timestamps === null) return null
  const ageMs = seqDiff(nowMs, timestamps.echo)
  if (ageMs < 0 || ageMs > COOKIE_LIFE_US / 1000 + 2 * OPTION_MASK) return null
  const scale = timestamps.echo & 15
  return {
    ...NO_OPTIONS, timestamps: { value: timestamps.value, echo: 0 }, sackPermitted: (timestamps.echo & SACK_BIT) !== 0,
    windowScale: scale > WINDOW_SCALE_MAX ? null : scale,
  }
}
