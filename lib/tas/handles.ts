/** Numbers that stand for objects in messages to the slow path and back. */
import { TasError } from './errors.js'

const INDEX_BITS = 20
const INDEX_MASK = (1 << INDEX_BITS) - 1
const USE_MASK = 0x7ff

/** The place of a handle in its table. */
export function placeOfHandle(handle: number): number {
  return handle & INDEX_MASK
}

/**
 * Objects by handle. A handle is a place in the low 20 bits and how often the place was used in the
 * 11 bits above, so that a late message for an object that is gone finds nothing instead of its successor.
 */
export class HandleTable<T> {
  private readonly items: (T | null)[] = []
  private readonly uses: number[] = []
  private readonly free: number[] = []

  /** A new handle, for `fill`. Throws TasError EMFILE when 2^20 are in use. */
  reserve(): number {
    const index = this.free.pop() ?? this.items.length
    if (index > INDEX_MASK) throw new TasError('EMFILE', `more than ${INDEX_MASK + 1} handles`)
    const uses = ((this.uses[index] ?? 0) + 1) & USE_MASK
    this.uses[index] = uses
    this.items[index] = null
    return (uses << INDEX_BITS) | index
  }

  /** `handle`, which `reserve` returned, stands for `item` from now on. */
  fill(handle: number, item: T): void {
    this.items[placeOfHandle(handle)] = item
  }

  /** The object of a handle, or null if there is none any more. */
  get(handle: number): T | null {
    const index = placeOfHandle(handle)
    if (handle >>> INDEX_BITS !== this.uses[index]) return null
    return this.items[index]
  }

  /** Forgets a handle. */
  remove(handle: number): void {
    if (this.get(handle) === null) return
    const index = placeOfHandle(handle)
    this.items[index] = null
    this.free.push(index)
  }

  /** Calls `visit` for every object that has a handle. */
  forEach(visit: (item: T) => void): void {
    for (const item of this.items) if (item !== null) visit(item)
  }
}
