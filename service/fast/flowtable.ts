/**
 * A worker's flow table: open addressing with linear probing in the state region, twice as many places as flows, so
 * that a lookup nearly always ends at the first cache line. The worker is its only writer and reader.
 *
 *   entry:  | hash of the connection | flow index + 1, or 0 |
 */
import {
  FLOW_ENTRY_WORDS,
  TCB_LOCAL_IP_U8,
  TCB_PORTS,
  TCB_REMOTE_IP,
  TCB_WORDS,
  type StateView,
  type WorkerPlaces,
} from '../../lib/memif/index.js'

/** Hash of a connection; the arguments as they stand in the TCB. About 2 ns. */
export function flowHash(remoteIp: number, ports: number, localIp: number): number {
  let h = Math.imul(remoteIp ^ Math.imul(ports, 0x9e3779b1) ^ localIp, 0x85ebca6b)
  h ^= h >>> 15
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 13)
}

export class FlowTable {
  /** Flows in the table. */
  size = 0
  private readonly words: Int32Array
  private readonly bytes: Uint8Array
  private readonly tcbWord: number
  private readonly first: number
  private readonly mask: number

  /** Attaches to the table of a worker, which may hold flows from an earlier worker process. */
  constructor(state: StateView, places: WorkerPlaces) {
    this.words = state.words
    this.bytes = state.bytes
    this.tcbWord = state.tcbWord
    this.first = places.flowTableWord
    this.mask = places.flowTableEntries - 1
    for (let place = 0; place <= this.mask; place++) {
      if (this.words[this.first + place * FLOW_ENTRY_WORDS + 1] !== 0) this.size++
    }
  }

  /** Flow index of the connection, or -1. */
  lookup(remoteIp: number, ports: number, localIp: number): number {
    const words = this.words
    const hash = flowHash(remoteIp, ports, localIp)
    let place = hash & this.mask
    for (;;) {
      const entry = this.first + place * FLOW_ENTRY_WORDS
      const flow = words[entry + 1] - 1
      if (flow < 0) return -1
      if (words[entry] === hash) {
        const tcb = this.tcbWord + flow * TCB_WORDS
        if (
          words[tcb + TCB_REMOTE_IP] === remoteIp &&
          words[tcb + TCB_PORTS] === ports &&
          this.bytes[tcb * 4 + TCB_LOCAL_IP_U8] === localIp
        ) return flow
      }
      place = (place + 1) & this.mask
    }
  }

  private hashOf(flow: number): number {
    const tcb = this.tcbWord + flow * TCB_WORDS
    return flowHash(this.words[tcb + TCB_REMOTE_IP], this.words[tcb + TCB_PORTS], this.bytes[tcb * 4 + TCB_LOCAL_IP_U8])
  }

  /** Enters a flow that is not in the table. There is always room: the table has twice as many places as there are TCBs. */
  insert(flow: number): void {
    const hash = this.hashOf(flow)
    let place = hash & this.mask
    while (this.words[this.first + place * FLOW_ENTRY_WORDS + 1] !== 0) place = (place + 1) & this.mask
    this.words[this.first + place * FLOW_ENTRY_WORDS] = hash
    this.words[this.first + place * FLOW_ENTRY_WORDS + 1] = flow + 1
    this.size++
  }

  /** Takes a flow out. Returns whether it was there. Later entries move up, so lookups need no tombstones. */
  remove(flow: number): boolean {
    const words = this.words
    let hole = this.hashOf(flow) & this.mask
    while (words[this.first + hole * FLOW_ENTRY_WORDS + 1] !== flow + 1) {
      if (words[this.first + hole * FLOW_ENTRY_WORDS + 1] === 0) return false
      hole = (hole + 1) & this.mask
    }
    let place = hole
    for (;;) {
      place = (place + 1) & this.mask
      const entry = this.first + place * FLOW_ENTRY_WORDS
      if (words[entry + 1] === 0) break
      const home = words[entry] & this.mask
      // An entry may fill the hole unless its home lies cyclically behind the hole.
      if (((place - home) & this.mask) < ((place - hole) & this.mask)) continue
      const target = this.first + hole * FLOW_ENTRY_WORDS
      words[target] = words[entry]
      words[target + 1] = words[entry + 1]
      hole = place
    }
    words[this.first + hole * FLOW_ENTRY_WORDS] = 0
    words[this.first + hole * FLOW_ENTRY_WORDS + 1] = 0
    this.size--
    return true
  }

  /**
   * Makes the table anew from those of its flows for which `isOurs` holds; fills `flows` with them and returns how many. For a worker that takes
   * over after another, which may have died with the table half changed.
   */
  rebuild(flows: Int32Array, isOurs: (flow: number) => boolean): number {
    const isSeen = new Uint8Array(flows.length)
    let count = 0
    for (let place = 0; place <= this.mask; place++) {
      const flow = this.words[this.first + place * FLOW_ENTRY_WORDS + 1] - 1
      if (flow < 0 || isSeen[flow] !== 0 || !isOurs(flow)) continue
      isSeen[flow] = 1
      flows[count++] = flow
    }
    this.words.fill(0, this.first, this.first + (this.mask + 1) * FLOW_ENTRY_WORDS)
    this.size = 0
    for (let i = 0; i < count; i++) this.insert(flows[i])
    return count
  }
}
