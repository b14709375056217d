/** How many answers strangers may cause (RFC 5961, 7). */

const SECOND_US = 1_000_000

/**
 * At most so many in a second, a number drawn anew for each second between half and one and a half of `perSecond`. Whoever
 * counts the answers to segments of his own cannot tell from a missing one that somebody else's connection took it: with a
 * fixed number that is how connections of others were found and cut (CVE-2016-5696).
 */
export class ReplyLimit {
  private readonly perSecond: number
  private readonly random: { u32(): number }
  private beganUs = -Infinity
  private left = 0

  /** `random` gives unpredictable 32-bit numbers. */
  constructor(perSecond: number, random: { u32(): number }) {
    this.perSecond = perSecond
    this.random = random
  }

  /** Whether one more is allowed now. */
  allow(nowUs: number): boolean {
    if (nowUs - this.beganUs >= SECOND_US) {
      this.beganUs = nowUs
      this.left = Math.ceil(this.perSecond / 2) + (this.random.u32() >>> 0) % this.perSecond
    }
    if (this.left === 0) return false
    this.left--
    return true
  }
}
