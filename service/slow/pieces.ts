/**
 * Free pieces of one size, counted from the region's first byte. The one that was freed last is the next to be handed out, while it is still
 * in a cache. Those at the bottom have lain there longest, and are the first whose pages are given back.
 *
 *      0 .............. clean .............. length
 *      hold no pages    may hold pages
 *
 * Two numbers for each size, and nothing for a piece: a map of those with pages would be changed by each connection that opens or closes.
 */
export class FreePieces {
  private readonly bytes: number[] = []
  /** Pieces at the bottom that hold no pages. */
  private clean = 0

  get length(): number {
    return this.bytes.length
  }

  /** Those that may hold pages. */
  get dirty(): number {
    return this.bytes.length - this.clean
  }

  /** A piece without pages goes below those that may have some. */
  push(byte: number, isClean: boolean): void {
    this.bytes.push(byte)
    if (!isClean) return
    const at = this.clean++
    this.bytes[this.bytes.length - 1] = this.bytes[at]
    this.bytes[at] = byte
  }

  /** The piece that was freed last; one without pages only if there is no other. */
  pop(): number | undefined {
    const byte = this.bytes.pop()
    this.clean = Math.min(this.clean, this.bytes.length)
    return byte
  }

  /** The piece that has lain longest of those that may hold pages; it counts as clean from then on. There must be one. */
  takeDirty(): number {
    return this.bytes[this.clean++]
  }

  /** Takes all out that have a buddy here, and calls `joined` for each pair with its lower byte. */
  join(size: number, joined: (byte: number, isClean: boolean) => void): void {
    const dirt = new Map<number, boolean>()
    this.bytes.forEach((byte, at) => dirt.set(byte, at >= this.clean))
    for (const byte of this.bytes) {
      const buddy = Math.floor(byte / size) % 2 === 0 ? byte + size : byte - size
      const isDirty = dirt.get(byte)
      const isBuddyDirty = dirt.get(buddy)
      if (isDirty === undefined || isBuddyDirty === undefined) continue
      dirt.delete(byte)
      dirt.delete(buddy)
      joined(Math.min(byte, buddy), !isDirty && !isBuddyDirty)
    }
    this.bytes.length = 0
    this.clean = 0
    for (const [byte, isDirty] of dirt) this.push(byte, !isDirty)
  }
}
