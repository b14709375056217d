/**
 * The loops of a pass, bound to one worker by closures that are made once for each process. V8 compiles such a closure for
 * the very objects it holds: fields that never change and the addresses of typed arrays become constants in the code
 * (docs/decisions/0007). Where there are many workers in one process, as in a simulation, it is ordinary code.
 */
import type { Contexts } from './contexts.js'
import { transmitDueAcks } from './delayedack.js'
import type { FastPath } from './fastpath.js'
import type { Receiver } from './receive.js'
import { transmitAcks, transmitReady } from './transmit.js'

export interface Steps {
  /** Takes the first `count` frames of the port's burst; returns their bytes. */
  readonly frames: (count: number) => number
  /** The same for the loop port. */
  readonly localFrames: (count: number) => number
  readonly bumps: () => number
  readonly events: () => number
  /** Emits what flows have to send, then the acknowledgments that no data has carried. */
  readonly segments: () => void
  readonly dueAcks: (all: boolean) => void
}

/** `receiver` takes the port's frames, `inside` the loop port's. */
export function bindSteps(fast: FastPath, contexts: Contexts, receiver: Receiver, inside: Receiver): Steps {
  const { rxLen } = fast.port
  const localLen = fast.loop.rxLen
  return {
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
      transmitAcks(fast)
    },
    dueAcks: (all) => transmitDueAcks(fast, all),
  }
}
