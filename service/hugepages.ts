/** Huge pages for the state region (docs/decisions/0015-huge-pages.md): asked for, used as far as the machine has them. */
import { readFileSync } from 'node:fs'
import { adviseHugePages } from '../native/index.js'

/** Whether the kernel gives shared memory huge pages: one word is in brackets (Documentation/admin-guide/mm/transhuge.rst). */
const SHMEM_ENABLED = '/sys/kernel/mm/transparent_hugepage/shmem_enabled'
/** Modes in which advice is asked for, or not needed. */
const GIVES = ['advise', 'within_size', 'always', 'force']

/** Asks for huge pages beneath `region`, before it is written. Where there are none it has small ones. */
export function useHugePages(region: ArrayBuffer, isForbidden: boolean): void {
  if (!isForbidden) adviseHugePages(region)
}

/** What the log says: 'off', 'yes', or why not. `enabled` is what shmem_enabled says, null without such a file. */
export function hugePagesText(isForbidden: boolean, enabled: string | null): string {
  if (isForbidden) return 'off'
  const mode = /\[(\w+)\]/.exec(enabled ?? '')?.[1] ?? null
  if (mode === null) return 'no: this kernel has none for shared memory'
  return GIVES.includes(mode) ? 'yes' : `no: ${SHMEM_ENABLED} is ${mode}, not advise`
}

/** What `shmem_enabled` says, or null. */
export function readShmemEnabled(): string | null {
  try {
    return readFileSync(SHMEM_ENABLED, 'latin1')
  } catch {
    return null
  }
}
