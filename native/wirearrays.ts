/** The arrays of a port of packets on a wire (native/linkport.ts). */
import { words } from './portarrays.js'

export class WireArrays {
  /** Most frames of one `receive` or `send`. */
  readonly burst: number
  readonly rxSlots: Int32Array
  readonly rxLens: Int32Array
  /** When each frame came: CLOCK_MONOTONIC, microseconds. */
  readonly rxStampsUs: Float64Array
  readonly txSlots: Int32Array
  readonly txLens: Int32Array

  /** Throws RangeError for a burst that cannot be. */
  constructor(burst: number) {
    if (!Number.isInteger(burst) || burst < 1 || burst > 4096) throw new RangeError(`burst ${burst}: 1 to 4096`)
    this.burst = burst
    this.rxSlots = words(burst)
    this.rxLens = words(burst)
    this.rxStampsUs = new Float64Array(new ArrayBuffer(burst * 8))
    this.txSlots = words(burst)
    this.txLens = words(burst)
  }
}
