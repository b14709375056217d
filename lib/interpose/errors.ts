/** Errors as Node's handles give them: negative errno numbers (libuv's UV_* on Linux). */
import { writeSync } from 'node:fs'
import { constants } from 'node:os'
import { STATUS_SERVICE_GONE } from '../tas/index.js'

const { errno } = constants

/** UV_EOF: no errno of Linux. */
export const UV_EOF = -4095
export const UV_EADDRINUSE = -errno.EADDRINUSE
export const UV_EADDRNOTAVAIL = -errno.EADDRNOTAVAIL
export const UV_EBADF = -errno.EBADF
export const UV_ECANCELED = -errno.ECANCELED
export const UV_ECONNREFUSED = -errno.ECONNREFUSED
export const UV_ECONNRESET = -errno.ECONNRESET
export const UV_EINVAL = -errno.EINVAL
export const UV_EISCONN = -errno.EISCONN
export const UV_ENOTCONN = -errno.ENOTCONN
export const UV_EPIPE = -errno.EPIPE
export const UV_ETIMEDOUT = -errno.ETIMEDOUT

/** The error for a status of TAS; `gone` if the service has ended, or said so (ENETDOWN). */
export function uvError(status: number, gone: number): number {
  return status === STATUS_SERVICE_GONE || status === errno.ENETDOWN ? gone : -status
}

/** One line on stderr, written before anything else happens. */
export function complain(message: string): void {
  try {
    writeSync(2, `tasjs/interpose: ${message.replaceAll(/\s+/g, ' ').trim()}\n`)
  } catch {
    // Nobody reads it.
  }
}
