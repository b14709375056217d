/** CPU time of processes, from /proc. */
import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks in a second: USER_HZ, 100 on every Linux that Node runs on. */
export const TICKS_PER_SECOND = 100

interface Stat { readonly parent: number; readonly ticks: number }

/** Parent and CPU ticks (user and system, all threads) of a process, or null if there is no such process. */
function readStat(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name in parentheses may hold spaces: fields are counted from behind it, beginning with the third.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }
  } catch {
    return null
  }
}

/** A process and all its descendants. */
export function processTree(root: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    const stat = Number.isInteger(pid) ? readStat(pid) : null
    if (stat !== null) parents.set(pid, stat.parent)
  }
  const tree = [root]
  for (let at = 0; at < tree.length; at++) {
    for (const [pid, parent] of parents) if (parent === tree[at]) tree.push(pid)
  }
  return tree
}

/** CPU seconds that processes `pids` have used so far, user and system time; those that are gone count as 0. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) ticks += readStat(pid)?.ticks ?? 0
  return ticks / TICKS_PER_SECOND
}

/** Seconds that all CPUs have spent in softirqs since boot. */
export function softirqSeconds(): number {
  const fields = readFileSync('/proc/stat', 'latin1').split('\n')[0].trim().split(/\s+/)
  return Number(fields[7]) / TICKS_PER_SECOND
}
