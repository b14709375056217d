/** The counters object: named shared memory that anyone may read (lib/memif/counters.ts). */
import { closeSync, openSync } from 'node:fs'
import { COUNTERS_BYTES, COUNTERS_PID, countersName, writeCountersHeader } from '../lib/memif/index.js'
import { createSharedObject, openSharedObject, unlinkSharedObject } from '../native/index.js'
import { EnvironmentError, errorCode, errorText } from './errors.js'
import type { UndoStack } from './undo.js'

/** The counters of a running service. */
export interface CountersObject {
  readonly name: string
  readonly counters: Float64Array
  /** Writable descriptor for workers. */
  readonly fd: number
}

/** Whether a process with this id runs, whoever it belongs to. */
function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid < 1) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

/** Id of the service that an existing object belongs to, or 0 if it is nobody's any more. */
function ownerOf(name: string): number {
  const memory = openSharedObject(name)
  const pid = memory.byteLength === COUNTERS_BYTES ? new Float64Array(memory)[COUNTERS_PID] : 0
  return pid !== process.pid && isAlive(pid) ? pid : 0
}

/** Two services in different mount namespaces can have the same path: the object tells. */
function removeStale(name: string, socketPath: string): void {
  const owner = ownerOf(name)
  if (owner !== 0) {
    throw new EnvironmentError(
      `--socket: "${socketPath}": its counters /dev/shm${name} belong to tas with process id ${owner}; give another path`)
  }
  unlinkSharedObject(name)
}

function create(name: string, socketPath: string): ArrayBuffer {
  try {
    return createSharedObject(name, COUNTERS_BYTES)
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
    removeStale(name, socketPath)
    return createSharedObject(name, COUNTERS_BYTES)
  }
}

/**
 * Creates the counters object of the service on `socketPath`, removed by `undo`. What a service that is gone has left is replaced.
 * Throws EnvironmentError if it belongs to one that runs or cannot be made.
 */
export function createCounters(socketPath: string, workers: number, undo: UndoStack): CountersObject {
  const name = countersName(socketPath)
  try {
    const memory = create(name, socketPath)
    undo.add(`counters ${name}`, () => unlinkSharedObject(name))
    const counters = new Float64Array(memory)
    writeCountersHeader(counters, workers, process.pid, Date.now())
    const fd = openSync(`/dev/shm${name}`, 'r+')
    undo.add('the counters\' descriptor', () => closeSync(fd))
    return { name, counters, fd }
  } catch (error) {
    if (error instanceof EnvironmentError) throw error
    throw new EnvironmentError(`counters: "/dev/shm${name}": ${errorText(error)}; want shared memory that can be written`, { cause: error })
  }
}
