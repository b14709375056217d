/**
 * Which packet size to try next (RFC 4821, 7.3; RFC 8899, 5.3.2):
 *
 *      low             high
 *       | works    ?    | ?  largest that is not known to be too large
 *
 * First the largest, since most paths that were narrow for a while are whole again; then the middle one of the sizes that links have, as
 * long as there are some between; then halves.
 */

/** MTUs that are to be met with: IPv4's minimum, X.25, IPv6's minimum, tunnels, PPPoE, Ethernet, FDDI, jumbo frames. */
const COMMON_MTUS: readonly number[] = [576, 1006, 1280, 1400, 1420, 1450, 1480, 1492, 1500, 4352, 9000]
/** Probes of a size that are lost before it is taken for too large (RFC 8899, 5.1.2): one may have been lost to something else. */
export const MAX_PROBES = 3
/** What is less than this many bytes larger is not looked for. */
const STEP_BYTES = 16

export class MtuSearch {
  private lowMtu: number
  private highMtu: number
  private isTopOpen = true
  private failures = 0

  /** Packets of `lowMtu` bytes come through; those of `highMtu` could. */
  constructor(lowMtu: number, highMtu: number) {
    this.lowMtu = lowMtu
    this.highMtu = highMtu
  }

  /** Largest size that is known to come through. */
  get found(): number {
    return this.lowMtu
  }

  /** The size to try, bytes; 0: the search is over. */
  next(): number {
    const { lowMtu, highMtu } = this
    if (this.isTopOpen && highMtu > lowMtu) return highMtu
    if (highMtu - lowMtu < STEP_BYTES) return 0
    const between = COMMON_MTUS.filter((mtu) => mtu > lowMtu && mtu <= highMtu)
    return between.length > 0 ? between[between.length >> 1] : (lowMtu + highMtu + 1) >> 1
  }

  /** A packet of `mtu` bytes, the size to try, came through. */
  passed(mtu: number): void {
    this.lowMtu = mtu
    this.failures = 0
  }

  /** It was lost. */
  lost(mtu: number): void {
    // A router has said so already.
    if (mtu > this.highMtu) return
    this.failures++
    if (this.failures < MAX_PROBES) return
    this.failures = 0
    this.isTopOpen = false
    this.highMtu = Math.min(this.highMtu, mtu - 1)
  }

  /** A router says that no more than `mtu` bytes come through. That is tried next, if it is more than what is known to. */
  limit(mtu: number): void {
    if (mtu >= this.highMtu) return
    this.failures = 0
    this.isTopOpen = true
    this.highMtu = Math.max(mtu, this.lowMtu)
  }
}
