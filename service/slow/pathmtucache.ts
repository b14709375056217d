/** Path MTUs by destination (RFC 1191, 3 and 6.3): bounded, and forgotten in time, so that a path that has grown is noticed. */

export interface PathMtu {
  /** Longest IP packet, bytes. */
  readonly mtu: number
  /** Found because nothing else came through, not told by a router. */
  readonly isGuess: boolean
  /** When larger packets are to be tried again, microseconds. */
  readonly untilUs: number
}

export class PathMtuCache {
  private readonly max: number
  /** In order of entry, the oldest first. */
  private readonly entries = new Map<number, PathMtu>()

  /** Holds at most `max` destinations. */
  constructor(max: number) {
    this.max = max
  }

  get size(): number {
    return this.entries.size
  }

  /** What is known of the path to `ip`, or null. */
  find(ip: number, nowUs: number): PathMtu | null {
    const entry = this.entries.get(ip)
    if (entry === undefined) return null
    if (entry.untilUs > nowUs) return entry
    this.entries.delete(ip)
    return null
  }

  /** Enters or replaces what is known; the oldest entry gives way if there are too many. */
  set(ip: number, path: PathMtu): void {
    this.entries.delete(ip)
    if (this.entries.size >= this.max) for (const oldest of this.entries.keys()) {
      this.entries.delete(oldest)
      break
    }
    this.entries.set(ip, path)
  }

  delete(ip: number): void {
    this.entries.delete(ip)
  }
}
