/**
 * Which worker has which flows. Groups of flows (lib/memif/flowgroups.ts) are shared out among the workers in use; the port is told and
 * sends their frames there, and connections follow their group (changeover.ts).
 */
import { FLOW_GROUPS, flowGroup, STATE_GROUPS_U8, type StateView } from '../../lib/memif/index.js'
import type { FourTuple } from './isn.js'

/**
 * Has the port steer frames by `table`, the worker of each group, from now on. `done` is called, at once or later, when all frames that were steered
 * otherwise are in their workers' queues; with false if the port could not.
 */
export type SteerPort = (table: Uint8Array, done: (isSteered: boolean) => void) => void

/** For ports that look into the state region for every frame, or have a single worker. */
export const STEERS_BY_STATE: SteerPort = (_table, done) => done(true)

/** The table that shares groups out among the first `count` workers evenly and differs least from `table`. */
export function shareGroups(table: Uint8Array, count: number): Uint8Array {
  const next = table.slice()
  const room = Int32Array.from({ length: count }, (_, worker) => Math.floor((FLOW_GROUPS + count - 1 - worker) / count))
  const homeless: number[] = []
  next.forEach((worker, group) => {
    if (worker < count && room[worker] > 0) room[worker]--
    else homeless.push(group)
  })
  for (const group of homeless) {
    const worker = room.findIndex((left) => left > 0)
    next[group] = worker
    room[worker]--
  }
  return next
}

export class Steering {
  /** Workers in use: those with numbers below it have groups. */
  active: number
  /** Called when connections may have to follow their groups. */
  onChange: () => void = () => undefined
  /** Called when the port could not be told: frames go where they went before. */
  onFailure: () => void = () => undefined
  private readonly table: Uint8Array
  private readonly steer: SteerPort
  private turn = 0
  private isSteering = false
  private isStale = false
  /** Frames come to the workers of the table that the port is still being told of. */
  private isSeen = false

  /** Shares all groups out among the first `active` workers. The port is told by `start`. */
  constructor(state: StateView, active: number, steer: SteerPort) {
    this.active = active
    this.steer = steer
    this.table = state.bytes.subarray(STATE_GROUPS_U8, STATE_GROUPS_U8 + FLOW_GROUPS)
    this.table.set(shareGroups(new Uint8Array(FLOW_GROUPS), active))
  }

  /** Has the port steer by the table as it is. */
  start(): void {
    this.tellPort()
  }

  /** The worker that is to have the connection. */
  workerOf({ localIp, localPort, remoteIp, remotePort }: FourTuple): number {
    return this.table[flowGroup(localIp, localPort, remoteIp, remotePort)]
  }

  /** The worker that is to have the next connection of which we choose the port: each in turn. */
  nextWorker(): number {
    this.turn = (this.turn + 1) % this.active
    return this.turn
  }

  /** The worker of each group, as a copy. */
  copyTable(): Uint8Array {
    return this.table.slice()
  }

  /** Groups of each worker in use. */
  groups(): readonly number[] {
    const counts = new Array<number>(this.active).fill(0)
    for (const worker of this.table) counts[worker]++
    return counts
  }

  /** From now on the first `count` workers are used, which share all groups evenly. */
  use(count: number): void {
    if (count === this.active) return
    this.active = count
    this.change(shareGroups(this.table, count))
  }

  /** Gives groups to workers as `table` says. Connections follow once the port has done so. */
  change(table: Uint8Array): void {
    this.table.set(table)
    this.tellPort()
  }

  private tellPort(): void {
    if (this.isSteering) {
      this.isStale = true
      return
    }
    this.isSteering = true
    this.isStale = false
    this.isSeen = false
    this.steer(this.table.slice(), (isSteered) => this.steered(isSteered))
  }

  /**
   * A frame of a connection has come to a worker that does not have it. While the port is being told of a new table that means that the
   * table is in force, and connections need not wait for the port to say so: late frames of the old way find theirs by the slow path.
   */
  strayCame(): void {
    if (!this.isSteering || this.isSeen) return
    this.isSeen = true
    this.onChange()
  }

  /** A port that could not steer sends frames to the wrong workers, whose strays find their way by the slow path. */
  private steered(isSteered: boolean): void {
    this.isSteering = false
    if (!isSteered) this.onFailure()
    if (this.isStale) this.tellPort()
    else this.onChange()
  }
}
