/** How many challenge acknowledgments strangers can cause (RFC 5961, 7). */

/** What a connection keeps for its own limit. */
export interface Challenged {
  /** Challenges since `challengeUs`. */
  challenges: number
  challengeUs: number
}

const SECOND_US = 1_000_000
/** Of one connection in a second. */
const CONNECTION_PER_SECOND = 10
/** Of all connections in a second, on average. */
const ALL_PER_SECOND = 10_000

/**
 * Ten a second for each connection. For all of them together a number that is drawn anew each second between half and
 * one and a half of what is meant: who counts the challenges of his own connections cannot tell from a missing one that somebody else's
 * took it. With a fixed number that is how others' connections were found and cut (CVE-2016-5696).
 */
export class ChallengeLimit {
  private readonly random: { u32(): number }
  private beganUs = -Infinity
  private left = 0

  /** `random` gives unpredictable 32-bit numbers. */
  constructor(random: { u32(): number }) {
    this.random = random
  }

  /** Whether `connection` may send one more. Its own limit comes first: segments for one connection cannot use up what others need. */
  allow(connection: Challenged, nowUs: number): boolean {
    if (nowUs - connection.challengeUs >= SECOND_US) {
      connection.challengeUs = nowUs
      connection.challenges = 0
    }
    if (connection.challenges >= CONNECTION_PER_SECOND) return false
    connection.challenges++
    return this.allowAny(nowUs)
  }

  private allowAny(nowUs: number): boolean {
    if (nowUs - this.beganUs >= SECOND_US) {
      this.beganUs = nowUs
      this.left = ALL_PER_SECOND / 2 + (this.random.u32() >>> 0) % ALL_PER_SECOND
    }
    if (this.left === 0) return false
    this.left--
    return true
  }
}
