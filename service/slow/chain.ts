/**
 * Chains of objects in the order in which they came: what a Set would be for, without its garbage. V8 keeps the table that a Set has grown out
 * of, with all that stood in it, until the old generation is collected; sets of short-lived connections so made each
 * scavenge copy a tenth of the new space.
 *
 *   first <-> ... <-> last      each object brings its links along, one for each chain that it can be in
 */

/** The place of `item` in a chain, or in none. */
export class Link<T> {
  readonly item: T
  /** The chain that it is in; set by that chain. */
  chain: Chain<T> | null = null
  before: Link<T> | null = null
  after: Link<T> | null = null
  /** How many that chain had taken in before. */
  order = 0

  constructor(item: T) {
    this.item = item
  }
}

export class Chain<T> {
  /** Links in it. */
  size = 0
  private taken = 0
  private head: Link<T> | null = null
  private tail: Link<T> | null = null

  /** The item that came first, or null. */
  get first(): T | null {
    return this.head?.item ?? null
  }

  /** Puts `link` at the end, and takes it out of the chain that it was in. */
  add(link: Link<T>): void {
    link.chain?.remove(link)
    link.chain = this
    link.order = this.taken++
    link.before = this.tail
    if (this.tail === null) this.head = link
    else this.tail.after = link
    this.tail = link
    this.size++
  }

  /** Takes `link` out if it is in this chain. It keeps nothing of its neighbours. */
  remove(link: Link<T>): void {
    if (link.chain !== this) return
    const { before, after } = link
    if (before === null) this.head = after
    else before.after = after
    if (after === null) this.tail = before
    else after.before = before
    link.chain = null
    link.before = null
    link.after = null
    this.size--
  }

  /** All items, first come first. Any may come and go between two steps: those that stay are met once. */
  * [Symbol.iterator](): Generator<T, void> {
    for (let at = this.head; at !== null;) {
      const { order } = at
      yield at.item
      at = at.chain === this && at.order === order ? at.after : this.behind(order)
    }
  }

  /** The first link that came later than the one with `order`, which is gone. */
  private behind(order: number): Link<T> | null {
    let at = this.head
    while (at !== null && at.order <= order) at = at.after
    return at
  }
}
