/** The socket file for applications: taken at start, so that there is one tas for it, and removed at the end. */
import { chmodSync, rmSync } from 'node:fs'
import { closeFd, listenUnix } from '../native/index.js'
import { EnvironmentError, errorCode, errorText } from './errors.js'
import type { UndoStack } from './undo.js'

function explain(path: string, error: unknown): string {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return `--socket: "${path}": another tas (or something else) is there; stop it or give another path`
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `--socket: "${path}": no permission to create it; give a path in a directory of yours`
    case 'ENOENT':
    case 'ENOTDIR':
      return `--socket: "${path}": its directory does not exist; create it or give another path`
    default:
      return `--socket: "${path}": ${errorText(error)}`
  }
}

/**
 * Takes the socket at `path` and returns the listening descriptor. The file of a service that is gone is replaced. Throws
 * EnvironmentError if somebody answers there or it cannot be made.
 */
export function claimSocket(path: string, mode: number, undo: UndoStack): number {
  try {
    const fd = listenUnix(path)
    undo.add('the socket\'s descriptor', () => closeFd(fd))
    undo.add(`socket ${path}`, () => rmSync(path, { force: true }))
    chmodSync(path, mode)
    return fd
  } catch (error) {
    throw new EnvironmentError(explain(path, error), { cause: error })
  }
}
