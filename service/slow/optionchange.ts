/** An option that is changed while the connection is open: flags to the worker, timers of the slow path. */
import { OPTION_SOURCE_ROUTE } from '../../lib/memif/index.js'
import { chooseAnew } from './congestion/control.js'
import type { Connection } from './connection.js'
import { type ConnOptions, flagsOfOptions, OPTION_FLAGS, withOption } from './connoptions.js'
import { EINVAL } from './errno.js'
import { startKeepAlive } from './keepalive.js'
import { onUserTimeoutSet } from './retransmit.js'
import type { Stack } from './stack.js'

/** Sets an option of `connection`, whose flow a worker has or had. Returns 0, or EINVAL or ENOENT and changes nothing. */
export function changeOption(stack: Stack, connection: Connection, option: number, values: readonly number[]): number {
  // The way was chosen when the connection was opened.
  if (option === OPTION_SOURCE_ROUTE) return EINVAL
  const options = withOption(connection.options, option, values, stack.algorithms.choices)
  if (typeof options === 'number') return options
  const before = connection.options
  connection.options = options
  if (connection.phase === 'worker') apply(stack, connection, before, options)
  return 0
}

function apply(stack: Stack, connection: Connection, before: ConnOptions, options: ConnOptions): void {
  const flags = flagsOfOptions(options)
  if (flags !== flagsOfOptions(before)) stack.workers[connection.worker].flags(connection, flags, OPTION_FLAGS)
  const { keepIdleMs, keepIntervalMs, keepCount } = before
  const isKept = options.keepIdleMs === keepIdleMs && options.keepIntervalMs === keepIntervalMs && options.keepCount === keepCount
  if (!isKept) startKeepAlive(stack, connection)
  if (options.congestion !== before.congestion) chooseAnew(stack, connection)
  if (options.userTimeoutMs !== before.userTimeoutMs) onUserTimeoutSet(stack, connection, before.userTimeoutMs)
}
