/** The fast-path worker of a service, to be killed. */
import { readFileSync } from 'node:fs'
import type { Service } from '../../tools/netlab/index.js'
import { until } from '../../tools/netlab/wait.js'

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'latin1').trim()
  } catch {
    return ''
  }
}

/** Process id of the worker that runs, or -1. */
export function workerPid(service: Service): number {
  return service.pids().find(pid => commandOf(pid).startsWith('tas-fast')) ?? -1
}

/** Kills the worker that runs (SIGKILL), waiting for it if need be. Returns its process id. */
export async function killWorker(service: Service): Promise<number> {
  const pid = await until('a worker runs', () => {
    const found = workerPid(service)
    return found > 0 && found
  })
  process.kill(pid, 'SIGKILL')
  return pid
}

/** Waits until a worker other than `killed` runs. */
export async function workerBack(service: Service, killed: number): Promise<void> {
  await until('another worker runs', () => {
    const pid = workerPid(service)
    return pid > 0 && pid !== killed
  })
}
