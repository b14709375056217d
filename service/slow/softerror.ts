/** What the network has said of a connection without ending it (RFC 1122, 4.2.3.9; as Linux's sk_err_soft). */
import { TCB_SND_UNA } from '../../lib/memif/index.js'
import type { Connection } from './connection.js'
import { ETIMEDOUT } from './errno.js'
import type { Stack } from './stack.js'

/** Keeps `error`, an errno number, for `softErrorOf`. */
export function rememberSoftError(stack: Stack, connection: Connection, error: number): void {
  connection.softError = error
  if (connection.phase === 'worker') connection.softErrorUna = stack.flows.word(connection, TCB_SND_UNA)
}

/** The errno number of what keeps back the data that is under way; 0 if nobody said so, or data came through since. */
function softErrorOf(stack: Stack, connection: Connection): number {
  const { softError, softErrorUna, phase } = connection
  return phase !== 'worker' || stack.flows.word(connection, TCB_SND_UNA) === softErrorUna ? softError : 0
}

/** What to tell an application whose connection ends with `error`: in place of a time-out the reason for it, if it is known. */
export function reportedError(stack: Stack, connection: Connection, error: number): number {
  return error === ETIMEDOUT ? softErrorOf(stack, connection) || error : error
}
