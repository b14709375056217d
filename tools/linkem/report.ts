/** What `tas-linkem` prints. */
import type { EmulatorCounters } from './emulator.js'
import type { LinkemOptions } from './options.js'

export interface LinkCounters {
  readonly ab: EmulatorCounters
  readonly ba: EmulatorCounters
}

/** The line that says that the link is there. */
export function readyLine({ a, b, json, seed }: LinkemOptions): string {
  return json ? JSON.stringify({ event: 'ready', a: a.name, b: b.name, seed }) : `ready: ${a.name} <-> ${b.name}, seed ${seed}`
}

/** Counters, at the end: a line of JSON, or a table without the lines that are all zero. */
export function countersText(counters: LinkCounters, { a, b, json }: LinkemOptions): string {
  if (json) return JSON.stringify({ event: 'counters', ...counters })
  const names = Object.keys(counters.ab) as Array<keyof EmulatorCounters>
  const rows = names.map((name) => [name, String(counters.ab[name]), String(counters.ba[name])])
  const used = rows.filter(([, ab, ba]) => ab !== '0' || ba !== '0')
  const table = [['', `${a.name} -> ${b.name}`, `${b.name} -> ${a.name}`], ...used]
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column].length)))
  return table.map(([name, ...values]) => `${name.padEnd(widths[0])}  ${values.map((text, i) => text.padStart(widths[i + 1])).join('  ')}`).join('\n')
}
