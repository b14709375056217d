/** Errors of the library: Linux errno numbers by name, plus the library's own. */
import { constants } from 'node:os'

/** Status of everything that ended because the service did: code 'ESERVICEGONE'. Above all numbers of Linux (4095). */
export const STATUS_SERVICE_GONE = 4096

const nameOfNumber = new Map<number, string>()
for (const [name, number] of Object.entries(constants.errno)) {
  if (!nameOfNumber.has(number)) nameOfNumber.set(number, name)
}

const OWN_NUMBERS: Readonly<Record<string, number>> = {
  ESERVICEGONE: STATUS_SERVICE_GONE,
  EVERSION: constants.errno.EPROTO,
}

function numberOfName(code: string): number {
  const known: Readonly<Record<string, number>> = constants.errno
  return OWN_NUMBERS[code] ?? known[code] ?? 0
}

/** Name of an errno number or status of this library: 'ECONNREFUSED', 'ESERVICEGONE', ...; '' for 0. */
export function codeOfStatus(status: number): string {
  if (status === 0) return ''
  if (status === STATUS_SERVICE_GONE) return 'ESERVICEGONE'
  return nameOfNumber.get(status) ?? `E${status}`
}

/**
 * Every error that this library throws or reports.
 *
 * Codes are Linux errno names ('ECONNREFUSED', 'ETIMEDOUT', 'EADDRINUSE', ...) and two of its own:
 * 'ESERVICEGONE' (the TAS service has ended) and 'EVERSION' (service and library do not fit together).
 */
export class TasError extends Error {
  override readonly name = 'TasError'
  /** Name of the error, as in Node's own errors. */
  readonly code: string
  /** Positive errno number as in `os.constants.errno`; for codes without one what comes nearest, or STATUS_SERVICE_GONE. */
  readonly errno: number

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options)
    this.code = code
    this.errno = numberOfName(code)
  }
}

/** The error for a status that came with an event; `what` says what failed. */
export function errorOfStatus(status: number, what: string): TasError {
  return new TasError(codeOfStatus(status), what)
}

/** The `code` of something thrown, or ''. */
export function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  return typeof error.code === 'string' ? error.code : ''
}
