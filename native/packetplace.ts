/**
 * Where a process that died stood in its receive ring. Every slot given back is marked with the number of the lap on
 * which that happened, in a word between the kernel's headers that the kernel never writes. Seen from slot 0:
 *
 *   lap lap lap lap | lap-1 lap-1 lap-1 lap-1        (lap - 1 is 0 on the first round)
 *                   ^ the place: given back up to here
 */

/** Word of a slot: behind struct tpacket2_hdr (32 bytes) and sockaddr_ll (20), before the virtio header (at 72). */
const LAP = 14

export interface RingPlaceFound {
  readonly slot: number
  /** The lap on which this slot will be given back. */
  readonly lap: number
}

/** Finds the first slot that has not been given back on the present lap. */
export function findPlace(words: Int32Array, slots: number, slotWords: number): RingPlaceFound {
  const first = words[LAP]
  for (let slot = 1; slot < slots; slot++) {
    if (words[slot * slotWords + LAP] !== first) return { slot, lap: first }
  }
  return { slot: 0, lap: (first + 1) | 0 }
}
