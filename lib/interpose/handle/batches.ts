/**
 * What is asked for in one turn of a context, done together in a setImmediate. What is asked for between two turns has one of its own: it may be
 * asked for in the phase of the event loop in which the batch is to run, and would be done a round sooner than alone.
 */
export class Batches<T> {
  private readonly run: (items: readonly T[]) => void
  private current: T[] | null = null
  private turn = 0

  constructor(run: (items: readonly T[]) => void) {
    this.run = run
  }

  /** `turn`: that of the context (`Context.turn`). */
  add(turn: number, item: T): void {
    if (turn === 0) {
      setImmediate(runBatch, this, [item])
      return
    }
    if (this.current === null || this.turn !== turn) {
      this.current = []
      this.turn = turn
      setImmediate(runBatch, this, this.current)
    }
    this.current.push(item)
  }

  /** @internal */
  runOne(items: T[]): void {
    if (this.current === items) this.current = null
    this.run(items)
  }
}

function runBatch<T>(batches: Batches<T>, items: T[]): void {
  batches.runOne(items)
}
