/** The arrays of a port, as native/port.ts describes them. */
import { COPY_DESC_WORDS, TX_DESC_WORDS, TX_SLOT_BYTES } from './port.js'

/** Copy descriptors beyond one for each frame of a burst. */
const COPIES_EXTRA = 64

/** Most frames of one `receive`, unless the caller says otherwise. */
export const DEFAULT_BURST = 32
/** Header slots, unless the caller says otherwise. */
export const DEFAULT_TX_SLOTS = 256

/** Bytes of receive memory for a frame of up to 64 KiB. */
export const FRAME_SLOT_BYTES = 66 << 10
/** Where the Ethernet header starts in it. */
export const FRAME_SLOT_ETHERNET = 18

/** Memory outside V8's heap, which small typed arrays would be in: native code keeps its address. */
export function words(count: number): Int32Array {
  return new Int32Array(new ArrayBuffer(count * 4))
}

/** Those that the native half of a port captures. */
export type SharedArrays = Pick<PortArrays, 'rxOffset' | 'rxLen' | 'rxFlags' | 'rxGso' | 'copyDesc' | 'txHeaders' | 'txDesc'>

/** The arrays of a port; every port extends it. */
export class PortArrays {
  readonly burst: number
  readonly txSlots: number
  readonly rxOffset: Int32Array
  readonly rxLen: Int32Array
  readonly rxFlags: Int32Array
  readonly rxGso: Int32Array
  readonly copyDesc: Int32Array
  readonly txHeaders: Uint8Array
  readonly txHeaderWords: Int32Array
  readonly txDesc: Int32Array

  /** Throws RangeError for sizes that cannot be. */
  constructor(burst: number = DEFAULT_BURST, txSlots: number = DEFAULT_TX_SLOTS) {
    if (!Number.isInteger(burst) || burst < 1 || burst > 1024) throw new RangeError(`burst ${burst}: 1 to 1024`)
    if (!Number.isInteger(txSlots) || txSlots < 1 || txSlots > 65536) throw new RangeError(`txSlots ${txSlots}: 1 to 65536`)
    const headers = new ArrayBuffer(txSlots * TX_SLOT_BYTES)
    this.burst = burst
    this.txSlots = txSlots
    this.rxOffset = words(burst)
    this.rxLen = words(burst)
    this.rxFlags = words(burst)
    this.rxGso = words(burst)
    this.copyDesc = words((burst + COPIES_EXTRA) * COPY_DESC_WORDS)
    this.txHeaders = new Uint8Array(headers)
    this.txHeaderWords = new Int32Array(headers)
    this.txDesc = words(txSlots * TX_DESC_WORDS)
  }

  protected get shared(): SharedArrays {
    const { rxOffset, rxLen, rxFlags, rxGso, copyDesc, txHeaders, txDesc } = this
    return { rxOffset, rxLen, rxFlags, rxGso, copyDesc, txHeaders, txDesc }
  }
}
