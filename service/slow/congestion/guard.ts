/**
 * Calls of algorithms. What a user's module throws or returns must not harm more than its own flow: that goes on with the default, and
 * the log says so once. What an algorithm of ours throws is a fault of ours.
 */
import type { Connection } from '../connection.js'
import type { Stack } from '../stack.js'
import type { Algorithm, Flow } from './algorithm.js'
import { algorithmOf } from './algorithms.js'
import { look } from './look.js'
import type { CongestionState } from './state.js'

/** What the control loop tells an algorithm and needs no answer to. */
export type Occasion = 'update' | 'onTimeout' | 'onUndo' | 'onEcho' | 'onIdle'

/** Throws RangeError unless `flow` holds numbers that make sense. */
export function checkFlow({ cwndBytes, ssthreshBytes, rateKbps }: Flow): void {
  checkNumber('cwndBytes', cwndBytes)
  checkNumber('ssthreshBytes', ssthreshBytes)
  checkNumber('rateKbps', rateKbps)
}

/** Throws RangeError unless `value` is a finite number that is not negative. */
export function checkNumber(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  throw new RangeError(`${name} is ${String(value)}: want a finite number that is not negative`)
}

/** Tells the flow's algorithm of `occasion`. Returns the flow with what it has decided. */
export function tell(stack: Stack, connection: Connection, state: CongestionState, occasion: Occasion): Flow {
  const flow = look(stack, connection, state)
  try {
    state.control[occasion]?.(flow)
    checkFlow(flow)
    return flow
  } catch (error) {
    return disown(stack, connection, state, error)
  }
}

/** Asks the flow's algorithm for ssthresh after a loss. Returns it with the flow. */
export function askThreshold(stack: Stack, connection: Connection, state: CongestionState): [number, Flow] {
  const flow = look(stack, connection, state)
  try {
    const threshold = checkNumber('what onLoss returns', state.control.onLoss(flow))
    checkFlow(flow)
    return [threshold, flow]
  } catch (error) {
    disown(stack, connection, state, error)
    const other = look(stack, connection, state)
    return [state.control.onLoss(other), other]
  }
}

/** Puts `algorithm` in charge of the flow. Returns the flow with what it begins with. */
export function install(stack: Stack, connection: Connection, state: CongestionState, algorithm: Algorithm): Flow {
  state.algorithm = algorithm
  const flow = look(stack, connection, state)
  // Of the rate before nothing is left: whoever wants one sets it.
  flow.rateKbps = 0
  try {
    state.control = algorithm.create(flow)
    checkFlow(flow)
    return flow
  } catch (error) {
    return disown(stack, connection, state, error)
  }
}

function disown(stack: Stack, connection: Connection, state: CongestionState, error: unknown): Flow {
  const { algorithms } = stack
  if (state.algorithm !== algorithms.module) throw error
  state.isDisowned = true
  const instead = algorithmOf(stack, connection, true)
  if (!algorithms.hasFailed) {
    algorithms.hasFailed = true
    stack.log.error({ module: algorithms.module.name, error: messageOf(error), instead: instead.name },
      'the congestion-control module has failed: flows on which it does are taken from it')
  }
  return install(stack, connection, state, instead)
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
