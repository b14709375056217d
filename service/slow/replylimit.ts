/**
 * How many resets strangers can cause. Each of a few hundred groups of addresses has a share of its own, so a flood from some of them
 * leaves the answers to the others alone; which addresses share a group is a secret. For challenges see challengelimit.ts.
 */
import { RateLimit } from './log.js'

/** Groups of addresses; a power of two. */
const GROUPS_LOG2 = 8
/** Answers of one kind to one group in a second. */
const GROUP_PER_SECOND = 250
/** Resets a second: to SYNs, since somebody may be trying to connect, and to all else. */
const SYN_REFUSALS_PER_SECOND = 10_000
const REFUSALS_PER_SECOND = 2_000

function groups(nowUs: number): RateLimit[] {
  return Array.from({ length: 2 ** GROUPS_LOG2 }, () => new RateLimit(GROUP_PER_SECOND, nowUs))
}

export class ReplyLimit {
  private readonly salt: number
  private readonly synGroups: readonly RateLimit[]
  private readonly otherGroups: readonly RateLimit[]
  private readonly syns: RateLimit
  private readonly others: RateLimit

  /** `random` gives unpredictable 32-bit numbers. */
  constructor(random: { u32(): number }, nowUs: number) {
    this.salt = random.u32()
    this.synGroups = groups(nowUs)
    this.otherGroups = groups(nowUs)
    this.syns = new RateLimit(SYN_REFUSALS_PER_SECOND, nowUs)
    this.others = new RateLimit(REFUSALS_PER_SECOND, nowUs)
  }

  /** Whether a segment from `remoteIp` that belongs to no connection may be answered with a RST; `isSyn`: it is a SYN. */
  mayRefuse(remoteIp: number, isSyn: boolean, nowUs: number): boolean {
    const group = this.group(remoteIp)
    return isSyn
      ? this.synGroups[group].allow(nowUs) && this.syns.allow(nowUs)
      : this.otherGroups[group].allow(nowUs) && this.others.allow(nowUs)
  }

  private group(remoteIp: number): number {
    const mixed = Math.imul(remoteIp ^ this.salt, 0x9e3779b1)
    return Math.imul(mixed ^ (mixed >>> 15) ^ this.salt, 0x85ebca6b) >>> (32 - GROUPS_LOG2)
  }
}
