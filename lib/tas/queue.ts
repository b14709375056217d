/** First-in, first-out queue over a circular array: allocates only when it grows. */
export class Queue<T> {
  private items: (T | undefined)[] = new Array<T | undefined>(64).fill(undefined)
  private head = 0
  private count = 0

  get length(): number {
    return this.count
  }

  push(item: T): void {
    if (this.count === this.items.length) this.grow()
    this.items[(this.head + this.count) & (this.items.length - 1)] = item
    this.count++
  }

  /** The oldest item, or undefined if there is none. */
  front(): T | undefined {
    return this.items[this.head]
  }

  /** Takes the oldest item out. */
  shift(): T | undefined {
    if (this.count === 0) return undefined
    const item = this.items[this.head]
    this.items[this.head] = undefined
    this.head = (this.head + 1) & (this.items.length - 1)
    this.count--
    return item
  }

  private grow(): void {
    const old = this.items
    const bigger = new Array<T | undefined>(old.length * 2).fill(undefined)
    for (let i = 0; i < this.count; i++) bigger[i] = old[(this.head + i) & (old.length - 1)]
    this.items = bigger
    this.head = 0
  }
}
