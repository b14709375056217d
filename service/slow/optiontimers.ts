/** Options of connections put in force: flags to the worker, timers of the slow path. */
import { chooseAnew } from './congestion/control.js'
import type { Connection } from './connection.js'
import { type ConnOptions, flagsOfOptions, OPTION_FLAGS, withOption } from './connoptions.js'
import { startKeepAlive } from './keepalive.js'
import type { Stack } from './stack.js'
import { watchUserTimeout } from './usertimeout.js'

/** Sets an option of `connection`, whose flow a worker has or had. Returns 0, or EINVAL or ENOENT and changes nothing. */
export function changeOption(stack: Stack, connection: Connection, option: number, values: readonly number[]): number {
  const options = withOption(connection.options, option, values, stack.algorithms.choices)
  if (typeof options === 'number') return options
  const before = connection.options
  connection.options = options
  if (connection.phase === 'worker') apply(stack, connection, before, options)
  return 0
}

function apply(stack: Stack, connection: Connection, before: ConnOptions, options: ConnOptions): void {
  const flags = flagsOfOptions(options)
  if (flags !== flagsOfOptions(before)) stack.workers[connection.worker].flags(connection.flow, connection.gen, flags, OPTION_FLAGS)
  const { keepIdleMs, keepIntervalMs, keepCount } = before
  const isKept = options.keepIdleMs === keepIdleMs && options.keepIntervalMs === keepIntervalMs && options.keepCount === keepCount
  if (!isKept) startKeepAlive(stack, connection)
  if (options.congestion !== before.congestion) chooseAnew(stack, connection)
  if (options.userTimeoutMs !== before.userTimeoutMs) watchUserTimeout(stack, connection)
}

/** The connection's flow begins; its TCB is filled. */
export function startOptionTimers(stack: Stack, connection: Connection): void {
  if (connection.options.keepIdleMs > 0) startKeepAlive(stack, connection)
}

/** The connection's flow ends: no timer of its options is left. */
export function stopOptionTimers(stack: Stack, connection: Connection): void {
  const { keepTimer, userTimer, lingerTimer } = connection
  for (const timer of [keepTimer, userTimer, lingerTimer]) if (timer) stack.timers.cancel(timer)
}
