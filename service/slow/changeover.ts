/**
 * Connections follow their groups from one worker to another, while data flows:
 *
 *   1. the port sends new frames to the new worker, which does not know the flow and passes them up: they go on to the old one
 *   2. the old worker is told to let go (TO_FAST_FLOW_LEAVE); from here on all that the flow is to be told, frames included,
 *      is held for the new one
 *   3. it has let go (TO_SLOW_FLOW_LEFT): the new one takes over (TO_FAST_FLOW_ENTER) and is told what was held
 *   4. its first event tells the application (EVENT_TURN_SHIFT)
 *
 * A worker that dies is told again when the next one begins; until then its flows wait for it.
 */
import { FLOW_HANDED, flowState, MOVE_TURN, TCB_BYTES, TCB_STATE_U8 } from '../../lib/memif/index.js'
import type { Connection } from './connection.js'
import type { Stack } from './stack.js'
import type { WorkerChannel } from './workers.js'

/** Connections that are looked at in one poll. */
const LOOKS_PER_POLL = 1024
const TURN_BITS = 0xffff

export class Changeover {
  private readonly stack: () => Stack
  /** A walk through all connections that is under way. */
  private walk: Generator<Connection, void> | null = null
  /** Connections that their worker has not let go yet. */
  private readonly leaving = new Set<Connection>()

  constructor(stack: () => Stack) {
    this.stack = stack
  }

  /** Groups have new workers: has all connections follow. */
  begin(): void {
    this.walk = this.stack().connections.each()
  }

  /** Whether connections are still on their way, or have not been looked at. */
  get isUnderWay(): boolean {
    return this.walk !== null || this.leaving.size > 0
  }

  /** Whether there is something to do that no worker announces. */
  get hasWork(): boolean {
    return this.walk !== null
  }

  /** Looks at some connections. Returns how many. */
  poll(): number {
    if (this.walk === null) return 0
    for (let looks = 0; looks < LOOKS_PER_POLL; looks++) {
      const next = this.walk.next()
      if (next.done === true) {
        this.walk = null
        return looks + 1
      }
      this.follow(next.value)
    }
    return LOOKS_PER_POLL
  }

  /** Sends the connection to the worker of its group, unless it is there or on its way. */
  private follow(connection: Connection): void {
    const stack = this.stack()
    if (connection.phase !== 'worker' || connection.leaves >= 0) return
    const to = stack.steering.workerOf(connection)
    if (to === connection.worker) return
    connection.leaves = connection.worker
    connection.worker = to
    connection.turn = (connection.turn + 1) & TURN_BITS
    this.leaving.add(connection)
    stack.workers[connection.leaves].leave(connection, connection.turn)
    stack.workers[to].hold(connection)
  }

  /** TO_SLOW_FLOW_LEFT from `worker`. An answer that comes twice, or to an earlier order, says nothing new. */
  left(worker: WorkerChannel, flow: number, gen: number, turn: number): void {
    const stack = this.stack()
    const connection = stack.flows.find(flow, gen)
    if (connection === null || connection.leaves !== worker.index || connection.turn !== turn) return
    connection.leaves = -1
    this.leaving.delete(connection)
    stack.stats.add('flowsMoved')
    const { state, flows, workers } = stack
    flows.setMove(connection, MOVE_TURN, turn)
    state.bytes[state.places.tcbOffset + flow * TCB_BYTES + TCB_STATE_U8] = flowState(FLOW_HANDED, connection.worker)
    workers[connection.worker].enter(connection)
    // Its group may have a third worker by now.
    this.follow(connection)
  }

  /** The process behind `worker` has ended, and what it had read and not answered nobody knows: the next one is told again. */
  onWorkerDied(worker: WorkerChannel): void {
    for (const connection of this.leaving) {
      if (connection.leaves === worker.index) worker.leave(connection, connection.turn)
    }
  }
}
