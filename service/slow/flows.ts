/** TCB indexes: which are free, and which connection has which. */
import {
  EXTRA_WORDS, FLOW_FREE, MOVE_WORDS, TCB_BYTES, TCB_FLAGS, TCB_GEN_U16, TCB_SND_MAX, TCB_STATE_U8, TCB_WORDS, type StateView,
} from '../../lib/memif/index.js'
import type { Connection } from './connection.js'

export class FlowTable {
  private readonly state: StateView
  private readonly free: number[] = []
  private readonly connections: (Connection | null)[] = []

  constructor(state: StateView) {
    this.state = state
    for (let flow = state.shape.flows - 1; flow >= 0; flow--) {
      this.free.push(flow)
      this.connections.push(null)
    }
  }

  /** Flows that can still be had. */
  get available(): number {
    return this.free.length
  }

  /** Gives `connection` a TCB with a new generation. Returns false if there is none. */
  take(connection: Connection): boolean {
    const flow = this.free.pop()
    if (flow === undefined) return false
    const at = this.state.tcbWord * 2 + flow * (TCB_BYTES / 2) + TCB_GEN_U16
    const gen = (this.state.halves[at] + 1) & 0xffff
    this.state.words.fill(0, this.wordAt(flow), this.wordAt(flow) + TCB_WORDS)
    this.state.halves[at] = gen
    connection.flow = flow
    connection.gen = gen
    this.connections[flow] = connection
    return true
  }

  /** The index may be used again; no worker has it any more. */
  giveBack(connection: Connection): void {
    this.connections[connection.flow] = null
    this.free.push(connection.flow)
    connection.flow = -1
  }

  /** Marks the TCB free while the index is still kept. */
  markFree(connection: Connection): void {
    this.state.bytes[this.state.places.tcbOffset + connection.flow * TCB_BYTES + TCB_STATE_U8] = FLOW_FREE
  }

  /** The connection with this flow index and generation, or null for a late or senseless name. */
  find(flow: number, gen: number): Connection | null {
    const connection = this.connections[flow] ?? null
    return connection !== null && connection.gen === (gen & 0xffff) ? connection : null
  }

  /** The connection that has TCB `flow` now, or null. */
  at(flow: number): Connection | null {
    return this.connections[flow] ?? null
  }

  /** Word `index` (TCB_*) of the connection's TCB. */
  word(connection: Connection, index: number): number {
    return this.state.words[this.wordAt(connection.flow) + index]
  }

  setWord(connection: Connection, index: number, value: number): void {
    this.state.words[this.wordAt(connection.flow) + index] = value
  }

  /** Half-word `index` (TCB_*_U16). */
  half(connection: Connection, index: number): number {
    return this.state.halves[this.wordAt(connection.flow) * 2 + index]
  }

  /** Byte `index` (TCB_*_U8). */
  byte(connection: Connection, index: number): number {
    return this.state.bytes[this.wordAt(connection.flow) * 4 + index]
  }

  /** Word `index` (MOVE_*) of the connection's row in the table of moves. */
  move(connection: Connection, index: number): number {
    return Atomics.load(this.state.words, this.moveAt(connection.flow) + index)
  }

  /** In order: a worker that sees this word sees the ones that were set before it. */
  setMove(connection: Connection, index: number, value: number): void {
    Atomics.store(this.state.words, this.moveAt(connection.flow) + index, value)
  }

  /** Sets word `index` (EXTRA_*) of a flow's row in the table of extras. Only while no worker has the flow. */
  setExtra(flow: number, index: number, value: number): void {
    this.state.words[this.state.places.extrasWord + flow * EXTRA_WORDS + index] = value
  }

  hasFlag(connection: Connection, flag: number): boolean {
    return (this.word(connection, TCB_FLAGS) & flag) !== 0
  }

  /** The highest sequence number sent plus one. */
  sndMax(connection: Connection): number {
    return this.word(connection, TCB_SND_MAX)
  }

  private moveAt(flow: number): number {
    return this.state.places.movesWord + flow * MOVE_WORDS
  }

  private wordAt(flow: number): number {
    return this.state.tcbWord + flow * TCB_WORDS
  }
}
