/** A list of what may be ready, each entry once: a ring of links in the entries themselves, so that nothing is allocated. */

/** What can stand in a list; of one list at a time. */
export interface Listable<T> {
  next: T | null
  previous: T | null
  isListed: boolean
}

export class ReadyList<T extends Listable<T>> {
  private first: T | null = null
  private last: T | null = null
  private count = 0

  get length(): number {
    return this.count
  }

  /** Puts `item` at the end unless it is in the list. */
  push(item: T): void {
    if (item.isListed) return
    item.isListed = true
    item.previous = this.last
    if (this.last === null) this.first = item
    else this.last.next = item
    this.last = item
    this.count++
  }

  /** Takes the first item out; null if there is none. */
  shift(): T | null {
    const item = this.first
    if (item !== null) this.remove(item)
    return item
  }

  /** Takes `item` out if it is in the list. */
  remove(item: T): void {
    if (!item.isListed) return
    if (item.previous === null) this.first = item.next
    else item.previous.next = item.next
    if (item.next === null) this.last = item.previous
    else item.next.previous = item.previous
    item.next = item.previous = null
    item.isListed = false
    this.count--
  }
}
