/**
 * What a context is told. Entries of the rings are first taken over into the connections, which are
 * put on a list; events are then made from the difference between what a connection knows and what
 * the program has been told. So several entries for a connection become one event, and nothing is
 * lost when the program's array of events is short.
 */
import {
  AS_HANDLE, AS_TYPE, EVENT_FLAGS, EVENT_FLOW, EVENT_GEN, EVENT_RCV_END, EVENT_RX_BASE, EVENT_RX_BUFFER, EVENT_RX_CLOSED, EVENT_RX_LOG2_SHIFT,
  EVENT_SND_UNA, EVENT_TURN_SHIFT, EVENT_TX_CLOSED, type RingConsumer,
} from '../memif/index.js'
import type { WorkerChannel } from './channel.js'
import type { Connection } from './connection.js'
import { STATUS_SERVICE_GONE } from './errors.js'
import type { TasEvent } from './events.js'
import { FlowTable } from './flows.js'
import type { Listener } from './listener.js'
import { Queue } from './queue.js'
import { nextEvent } from './reporting.js'

/** Takes an entry of the slow path's ring. Returns whether it filled in `event`. */
export interface SlowHandler {
  take(words: Int32Array, at: number, event: TasEvent): boolean
  /** Whether events of `connection` belong here (it may have moved away since it was listed). */
  owns(connection: Connection): boolean
  /** The program has taken the last event of `connection`. */
  forget(connection: Connection): void
}

export class Inbox {
  readonly flows = new FlowTable()
  private readonly slow: RingConsumer
  private readonly channels: readonly WorkerChannel[]
  private readonly handler: SlowHandler
  /** Connections that may have something to report. */
  private readonly reports = new Queue<Connection>()
  /** Connections whose end waits until earlier events are in. */
  private readonly draining: Connection[] = []
  private readonly lostListeners = new Queue<Listener>()
  /** Connections whose last event is in the present batch. */
  private readonly leaving: Connection[] = []
  /** Connections that have ended and may still have data to report. */
  private ending = 0
  private first = 0

  constructor(slow: RingConsumer, channels: readonly WorkerChannel[], handler: SlowHandler) {
    this.slow = slow
    this.channels = channels
    this.handler = handler
  }

  /** Fills up to `max` events; returns how many. */
  poll(events: readonly TasEvent[], max: number): number {
    let count = this.report(events, 0, max)
    count = this.takeSlow(events, count, max)
    count = this.takeWorkers(events, count, max)
    if (this.draining.length > 0) this.finishDrained()
    count = this.report(events, count, max)
    for (let worker = 0; worker < this.channels.length; worker++) this.channels[worker].events.release()
    return count
  }

  /**
   * The program is done with the events of the last poll. Only now the slow path may see EV_CONN_CLOSED as read: it
   * keeps the connection's buffers until then, and received data in them may just have been reported. And only now another connection may have
   * the handle: the program may open one before it comes to the end of this one in the same batch (ConnectionMap).
   */
  settle(): void {
    for (let left = this.leaving.pop(); left !== undefined; left = this.leaving.pop()) this.handler.forget(left)
    if (this.ending === 0) this.slow.release()
  }

  /** Word index of the slow path's answer of type `type` for `handle`, if it is there and not yet taken, or -1. Takes nothing. */
  findAnswer(type: number, handle: number): number {
    const { words } = this.slow
    for (let count = 0; ; count++) {
      const at = this.slow.peekAhead(count)
      if (at < 0 || (words[at + AS_TYPE] === type && words[at + AS_HANDLE] === handle)) return at
    }
  }

  /** Takes all that is there and tells nobody: the context is being closed. */
  discard(): void {
    while (this.slow.peek() >= 0) this.slow.next()
    this.slow.release()
    for (const { events } of this.channels) {
      while (events.peek() >= 0) events.next()
      events.release()
    }
  }

  /** Whether a poll may find something, by plain loads. */
  hasWork(): boolean {
    if (this.hasReports() || this.slow.peek() >= 0) return true
    for (let worker = 0; worker < this.channels.length; worker++) {
      if (this.channels[worker].events.peek() >= 0) return true
    }
    return false
  }

  /** The same by Atomics: the second look before sleeping. */
  hasWorkNow(): boolean {
    if (this.hasReports() || !this.slow.isEmpty()) return true
    for (let worker = 0; worker < this.channels.length; worker++) {
      if (!this.channels[worker].events.isEmpty()) return true
    }
    return false
  }

  /** Whether the slow path has told something that was not taken, by Atomics. */
  hasAnswers(): boolean {
    return !this.slow.isEmpty()
  }

  /** Puts a connection on the list of those that may have something to report. */
  list(connection: Connection): void {
    if (connection.listed) return
    connection.listed = true
    this.reports.push(connection)
  }

  /** A connection has ended: its last event comes behind everything that its worker wrote before. */
  ends(connection: Connection): void {
    const channel = this.channels[connection.worker]
    this.ending++
    connection.counted = true
    connection.drainBy = (channel.absorbed + channel.capacity) | 0
    this.draining.push(connection)
  }

  /** A listener has ended with the service. */
  lost(listener: Listener): void {
    this.lostListeners.push(listener)
  }

  private hasReports(): boolean {
    return this.reports.length > 0 || this.draining.length > 0 || this.lostListeners.length > 0
  }

  private takeSlow(events: readonly TasEvent[], from: number, max: number): number {
    let count = from
    while (count < max) {
      const at = this.slow.peek()
      if (at < 0) break
      if (this.handler.take(this.slow.words, at, events[count])) count++
      this.slow.next()
    }
    return count
  }

  /** Takes over workers' entries, a different worker first each time, until about `max` connections are listed. */
  private takeWorkers(events: readonly TasEvent[], from: number, max: number): number {
    let count = from
    const workers = this.channels.length
    for (let i = 0; i < workers; i++) {
      const worker = this.first + i < workers ? this.first + i : this.first + i - workers
      count = this.takeWorker(worker, events, count, max)
    }
    this.first = this.first + 1 < workers ? this.first + 1 : 0
    return count
  }

  private takeWorker(worker: number, events: readonly TasEvent[], from: number, max: number): number {
    let count = from
    const channel = this.channels[worker]
    const ring = channel.events
    const words = ring.words
    // One lap at most, so that a busy worker cannot hold us here.
    for (let left = channel.capacity; left > 0 && count + this.reports.length < max; left--) {
      const at = ring.peek()
      if (at < 0) break
      const flow = words[at + EVENT_FLOW]
      const gen = words[at + EVENT_GEN] & 0xffff
      let connection = this.flows.find(flow, gen)
      if (connection === null && !this.slow.isEmpty()) {
        // The slow path tells of a connection before its worker does: look there first.
        count = this.takeSlow(events, count, max)
        connection = this.flows.find(flow, gen)
        if (connection === null && !this.slow.isEmpty()) break
      }
      if (connection !== null) {
        const turn = words[at + EVENT_GEN] >>> EVENT_TURN_SHIFT
        if (turn === connection.turn || connection.follow(worker, turn)) this.absorb(connection, words, at)
      }
      ring.next()
      channel.absorbed = (channel.absorbed + 1) | 0
    }
    return count
  }

  private absorb(connection: Connection, words: Int32Array, at: number): void {
    const flags = words[at + EVENT_FLAGS]
    if (words[at + EVENT_RX_BUFFER] !== connection.rx.place) this.changeReceive(connection, words, at)
    connection.rx.absorb(words[at + EVENT_RCV_END], words[at + EVENT_RX_BASE], (flags & EVENT_RX_CLOSED) !== 0)
    connection.tx.absorb(words[at + EVENT_SND_UNA], (flags & EVENT_TX_CLOSED) !== 0)
    if (connection.movingTo === null) this.list(connection)
  }

  /** An old report may name an old buffer: only one with new bytes tells where they are. */
  private changeReceive(connection: Connection, words: Int32Array, at: number): void {
    const { rx } = connection
    if (((words[at + EVENT_RCV_END] - rx.end) | 0) <= 0) return
    const place = words[at + EVENT_RX_BUFFER]
    const log2 = (words[at + EVENT_FLAGS] >>> EVENT_RX_LOG2_SHIFT) & 0xff
    rx.change(connection.piece(place, log2), place, words[at + EVENT_RX_BASE])
  }

  private finishDrained(): void {
    let kept = 0
    for (const connection of this.draining) {
      const channel = this.channels[connection.worker]
      if (channel.events.isEmpty() || ((channel.absorbed - connection.drainBy) | 0) >= 0) {
        this.flows.remove(connection)
        connection.drained = true
        this.list(connection)
      } else {
        this.draining[kept++] = connection
      }
    }
    this.draining.length = kept
  }

  private finish(connection: Connection): void {
    if (connection.counted) this.ending--
    this.leaving.push(connection)
  }

  private report(events: readonly TasEvent[], from: number, max: number): number {
    let count = from
    while (count < max && this.lostListeners.length > 0) {
      this.lostListeners.shift()?.end(events[count++], STATUS_SERVICE_GONE)
    }
    for (let connection = this.reports.front(); connection !== undefined; connection = this.reports.front()) {
      if (this.handler.owns(connection)) {
        while (count < max && nextEvent(connection, events[count])) count++
        // Short of room: there may be more. It stays in front.
        if (count === max && !connection.over) break
        connection.listed = false
        if (connection.over) this.finish(connection)
      }
      this.reports.shift()
    }
    return count
  }
}
