/**
 * How many resets strangers can cause. Each of a few hundred groups of addresses has a share of its own, so a flood from some of them
 * leaves the answers to the others alone; which addresses share a group is a secret. Beyond its share a group may use what is spare: the clients of
 * a TAS that has died all ask at once, often from one address. For challenges see challengelimit.ts.
 */
import { RateLimit } from './log.js'

/** Groups of addresses; a power of two. */
const GROUPS_LOG2 = 8
/** Resets of one kind in a second: to one group, and to all; half of these are for groups that have had their own. */
const GROUP_PER_SECOND = 250
const SYN_REFUSALS_PER_SECOND = 10_000
const REFUSALS_PER_SECOND = 5_000

/** Resets of one kind. */
class Share {
  private readonly groups: readonly RateLimit[]
  private readonly spare: RateLimit
  private readonly all: RateLimit

  constructor(perSecond: number, nowUs: number) {
    this.groups = Array.from({ length: 2 ** GROUPS_LOG2 }, () => new RateLimit(GROUP_PER_SECOND, nowUs))
    this.spare = new RateLimit(perSecond / 2, nowUs)
    this.all = new RateLimit(perSecond, nowUs)
  }

  allow(group: number, nowUs: number): boolean {
    return (this.groups[group].allow(nowUs) || this.spare.allow(nowUs)) && this.all.allow(nowUs)
  }
}

export class ReplyLimit {
  private readonly salt: number
  /** To SYNs, since somebody may be trying to connect, and to all else. */
  private readonly syns: Share
  private readonly others: Share

  /** `random` gives unpredictable 32-bit numbers. */
  constructor(random: { u32(): number }, nowUs: number) {
    this.salt = random.u32()
    this.syns = new Share(SYN_REFUSALS_PER_SECOND, nowUs)
    this.others = new Share(REFUSALS_PER_SECOND, nowUs)
  }

  /** Whether a segment from `remoteIp` that belongs to no connection may be answered with a RST; `isSyn`: it is a SYN. */
  mayRefuse(remoteIp: number, isSyn: boolean, nowUs: number): boolean {
    return (isSyn ? this.syns : this.others).allow(this.group(remoteIp), nowUs)
  }

  private group(remoteIp: number): number {
    const mixed = Math.imul(remoteIp ^ this.salt, 0x9e3779b1)
    return Math.imul(mixed ^ (mixed >>> 15) ^ this.salt, 0x85ebca6b) >>> (32 - GROUPS_LOG2)
  }
}
