/** The error of all socket calls. */
import { constants } from 'node:os'
import { codeOfStatus, STATUS_SERVICE_GONE, TasError } from '../tas/index.js'

const numbers: Readonly<Record<string, number>> = constants.errno

/** A socket call that failed, in place of -1 and errno. */
export class SocketError extends Error {
  override readonly name = 'SocketError'
  /** Name of the error: 'EAGAIN', 'ECONNRESET', ... */
  readonly code: string
  /** Its positive number, as in errno(3) and `os.constants.errno`. */
  readonly errno: number
  /** The call that failed: 'connect', 'recv', ... */
  readonly syscall: string

  constructor(code: string, syscall: string, what: string, options?: ErrorOptions) {
    super(`${syscall} ${code}: ${what}`, options)
    this.code = code
    this.errno = numbers[code] ?? 0
    this.syscall = syscall
  }
}

const REPEATED: Readonly<Record<string, string>> = {
  EAGAIN: 'it would have to wait',
  EINPROGRESS: 'the connection is being opened',
}

const made = new Map<string, SocketError>()

/**
 * EAGAIN or EINPROGRESS of `syscall`. These are answers more than faults and come all the time: each is made once and thrown again, so its
 * stack says nothing.
 */
export function repeatedError(code: 'EAGAIN' | 'EINPROGRESS', syscall: string): SocketError {
  const key = `${code} ${syscall}`
  const known = made.get(key)
  if (known !== undefined) return known
  const error = new SocketError(code, syscall, REPEATED[code])
  error.stack = error.message
  made.set(key, error)
  return error
}

/**
 * The errno number for a status of lib/tas. The end of the service has none: it is what a dead network gives, `whenGone`.
 */
export function errnoOfStatus(status: number, whenGone: number): number {
  return status === STATUS_SERVICE_GONE ? whenGone : status
}

/** The error for an errno number that something of `syscall` ended with. */
export function errorOfErrno(errno: number, syscall: string, what: string): SocketError {
  return new SocketError(codeOfStatus(errno), syscall, what)
}

/** Carries out `act`, a part of `syscall` that calls lib/tas: its errors become those of sockets. */
export function translated<T>(syscall: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw asSocketError(error, syscall)
  }
}

/** An error of lib/tas as one of `syscall`; anything else as it is. */
export function asSocketError(error: unknown, syscall: string): unknown {
  if (!(error instanceof TasError)) return error
  const code = error.code === 'ESERVICEGONE' ? 'ENETDOWN' : error.code
  return new SocketError(code, syscall, error.message, { cause: error })
}

/** What a system call of Node or of the addon threw, as an error of `syscall`; anything else as it is. */
export function asSystemError(error: unknown, syscall: string): unknown {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string' || numbers[error.code] === undefined) return error
  return new SocketError(error.code, syscall, error.message, { cause: error })
}
