/**
 * The loops of a pass, bound to one worker by closures that are made once for each process. V8 compiles such a closure for
 * the very objects it holds: fields that never change and the addresses of typed arrays become constants in the code
 * (docs/decisions/0007). Where there are many workers in one process, as in a simulation, it is ordinary code.
 */
import type { Contexts } from './contexts.js'
import { transmitDueAcks } from './delayedack.js'
import type { FastPath } from './fastpath.js'
import { releaseDue } from './pacing.js'
import type { Receiver } from './receive.js'
import { transmitAcks, transmitReady } from './transmit.js'

/** All steps have this shape, whether or not they need the number and have something to tell. */
export type Step = (count: number) => number

export interface Steps {
  /** Lets flows have their turn that are due in the pacing queue; returns how many. */
  readonly departures: Step
  /** Takes the first `count` frames of the port's burst; returns their bytes. */
  readonly frames: Step
  /** The same for the loop port. */
  readonly localFrames: Step
  /** Takes what applications have done; returns how many bumps. */
  readonly bumps: Step
  /** Writes events; returns how many. */
  readonly events: Step
  /** Emits what flows have to send, then the acknowledgments that no data has carried. */
  readonly segments: Step
  /** Emits acknowledgments that have waited: those that are due, or with `count` 1 all. */
  readonly dueAcks: Step
}

/**
 * Takes a step. All of them by this one call, which V8 therefore does not inline: each step is compiled by itself, as far as its
 * budget for inlining goes, and not squeezed into the pass with the others.
 */
export function take(step: Step, count: number): number {
  return step(count)
}

/** `receiver` takes the port's frames, `inside` the loop port's. */
export function bindSteps(fast: FastPath, contexts: Contexts, receiver: Receiver, inside: Receiver): Steps {
  const { rxLen } = fast.port
  const localLen = fast.loop.rxLen
  return {
    departures: () => releaseDue(fast),
    frames: (count) => {
      let bytes = 0
      for (let i = 0; i < count; i++) {
        bytes += rxLen[i]
        receiver.frame(i)
      }
      return bytes
    },
    localFrames: (count) => {
      let bytes = 0
      for (let i = 0; i < count; i++) {
        bytes += localLen[i]
        inside.frame(i)
      }
      return bytes
    },
    bumps: () => contexts.readBumps(),
    events: () => contexts.writeEvents(),
    segments: () => {
      transmitReady(fast)
      return transmitAcks(fast)
    },
    dueAcks: (count) => {
      transmitDueAcks(fast, count !== 0)
      return 0
    },
  }
}
