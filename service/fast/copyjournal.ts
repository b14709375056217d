/**
 * What a worker that takes over must undo: a TCB counts bytes as received before the copy at the end of the burst puts them into the
 * buffer. A worker killed in between would leave a stream with a hole that nobody knows of. So each copy is noted
 * with RCV.NXT as it was before, in the state region, until the copies are done; the next worker goes back to it. Nothing of
 * what is undone has been acknowledged or told to the application, since both come after the copies: the peer sends it again.
 *
 *   journal:  | entries | tcb, RCV.NXT | tcb, RCV.NXT | ... |
 */
import {
  FLAG_FIN_RECEIVED, JOURNAL_ENTRIES, JOURNAL_FIRST_WORD, TCB_FLAGS, TCB_OOO_END, TCB_OOO_START, TCB_RCV_NXT,
} from '../../lib/memif/index.js'

export class CopyJournal {
  private readonly words: Int32Array
  private readonly at: number

  /** `words` is the state region, `at` the place of the worker's journal in it. */
  constructor(words: Int32Array, at: number) {
    this.words = words
    this.at = at
  }

  /** Payload for the flow at `tcb` is about to be counted. About 1 ns. */
  note(tcb: number): void {
    const { words, at } = this
    const count = words[at]
    const entry = at + JOURNAL_FIRST_WORD + count * 2
    words[entry] = tcb
    words[entry + 1] = words[tcb + TCB_RCV_NXT]
    words[at] = count + 1
  }

  /** The copies are done. */
  clear(): void {
    this.words[this.at] = 0
  }

  /** Takes back, newest first, what an earlier worker counted and did not copy. Returns how many copies that were. */
  undo(): number {
    const { words, at } = this
    const count = Math.min(words[at], JOURNAL_ENTRIES)
    for (let i = count - 1; i >= 0; i--) {
      const entry = at + JOURNAL_FIRST_WORD + i * 2
      const tcb = words[entry]
      // What stands behind a gap may be one of the bytes that are missing.
      words[tcb + TCB_OOO_START] = 0
      words[tcb + TCB_OOO_END] = 0
      if (words[tcb + TCB_RCV_NXT] === words[entry + 1]) continue
      words[tcb + TCB_RCV_NXT] = words[entry + 1]
      words[tcb + TCB_FLAGS] &= ~FLAG_FIN_RECEIVED
    }
    words[at] = 0
    return count
  }
}
