/**
 * Where a process that died stood in its receive ring. Every slot given back carries the number of the lap on which
 * that happened, and the kernel clears that word when it fills the slot. So slots read, seen from slot 0:
 *
 *   lap+1 lap+1 lap+1 | 0 (frame) 0 (frame) | lap lap lap lap        (lap is 0 on the first round)
 *                     ^ the place
 */

/** Word of struct tpacket2_hdr that the kernel clears: its padding. */
const LAP = 7
const TP_STATUS_USER = 1

export interface RingSpot {
  readonly slot: number
  /** The lap on which this slot will be given back. */
  readonly lap: number
}

/** Finds the first slot that has not been given back on the present lap. */
export function findPlace(words: Int32Array, slots: number, slotWords: number): RingSpot {
  const lapOf = (slot: number): number => words[slot * slotWords + LAP]
  const isPending = (slot: number): boolean => (words[slot * slotWords] & TP_STATUS_USER) !== 0
  const filled = (slot: number): boolean => isPending(slot) || (lapOf(slot) === 0 && lapOf(slots - 1) !== 0)
  if (filled(0)) {
    let slot = 0
    while (slot > 1 - slots && isPending((slot - 1 + slots) % slots)) slot--
    if (slot === 0) return { slot: 0, lap: lapOf(slots - 1) + 1 }
    return { slot: slot + slots, lap: lapOf(0) === 0 ? Math.max(lapOf(slot + slots - 1), 1) : lapOf(0) }
  }
  let slot = 1
  while (slot < slots && lapOf(slot) === lapOf(0)) slot++
  if (slot === slots) return { slot: 0, lap: lapOf(0) + 1 }
  return { slot, lap: lapOf(0) }
}
