/**
 * Frames between two connections of this worker (FLAG_LOOPBACK): built in the port's header slots like all others and marked there; before
 * the port gets the slots, the marked ones go into the loop port's queue, which the next pass receives from. A worker
 * empties the queue in each pass before it sends, so that there is room for every slot.
 */
import { TX_DESC_WORDS, TX_SLOT_BYTES } from '../../native/port.js'
import * as counters from './counterindex.js'
import type { FastPath } from './fastpath.js'

const SLOT_WORDS = TX_SLOT_BYTES / 4

export class Loopback {
  /** Marked slots between txFirst and txEnd. */
  marked = 0
  private readonly fast: FastPath
  /** For each header slot: 1 if its frame stays inside. */
  private readonly marks: Uint8Array

  constructor(fast: FastPath) {
    this.fast = fast
    this.marks = new Uint8Array(fast.port.txSlots)
  }

  /** The frame in header slot `slot` stays inside. */
  mark(slot: number): void {
    this.marks[slot] = 1
    this.marked++
  }

  /** Takes the marked frames out of the filled slots; those for the network close up. Returns how many were taken. */
  divert(): number {
    const { fast, marks } = this
    const taken = this.marked
    let to = fast.txFirst
    for (let slot = fast.txFirst; slot < fast.txEnd; slot++) {
      if (marks[slot] === 0) this.move(slot, to++)
      else {
        marks[slot] = 0
        if (!fast.loop.take(slot)) fast.count(counters.DROP_LOOP_FULL, 1)
      }
    }
    fast.txEnd = to
    this.marked = 0
    return taken
  }

  private move(slot: number, to: number): void {
    if (slot === to) return
    const { txHeaderWords, txDesc } = this.fast.port
    txHeaderWords.copyWithin(to * SLOT_WORDS, slot * SLOT_WORDS, (slot + 1) * SLOT_WORDS)
    txDesc.copyWithin(to * TX_DESC_WORDS, slot * TX_DESC_WORDS, (slot + 1) * TX_DESC_WORDS)
  }
}
