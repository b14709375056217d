/**
 * A first-in-first-out list of flow indexes in one typed array. Whether a flow is in a list is a bit in its
 * TCB's flags, so a flow is entered at most once; an entry whose bit is gone by the time it is taken is stale.
 */
export class FlowFifo {
  private readonly flows: Int32Array
  private readonly mask: number
  private head = 0
  private tail = 0

  /** `capacity` is a power of two, at least the number of flows that can be in the list, stale entries included. */
  constructor(capacity: number) {
    this.flows = new Int32Array(capacity)
    this.mask = capacity - 1
  }

  get length(): number {
    return (this.tail - this.head) | 0
  }

  /** Returns false if the list is full. */
  push(flow: number): boolean {
    if (((this.tail - this.head) | 0) > this.mask) return false
    this.flows[this.tail & this.mask] = flow
    this.tail = (this.tail + 1) | 0
    return true
  }

  /** The oldest entry; only if there is one. */
  first(): number {
    return this.flows[this.head & this.mask]
  }

  /** Takes the oldest entry; only if there is one. */
  shift(): number {
    const flow = this.flows[this.head & this.mask]
    this.head = (this.head + 1) | 0
    return flow
  }
}
