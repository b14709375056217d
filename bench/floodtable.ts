/** The table of docs/floods.md. */
import { type FloodKind, markdownTable } from '../tools/netlab/index.js'

/** In the order of the table. */
export const FLOOD_KINDS: readonly FloodKind[] = ['syn', 'ack', 'rst', 'ping', 'garbage', 'slow']

/** Part of the throughput that others should keep. */
export const KEPT_GOAL = 0.8

export type FloodServer = 'tas' | 'cEpoll'

/** Requests a second; NaN: not measured. */
export interface FloodRow {
  readonly kind: FloodKind
  readonly alone: number
  /** Beside the same flood on a link of its own, to nobody: what the flooder takes by itself on this machine. */
  readonly beside: number
  readonly flooded: number
}

const NAMES: Readonly<Record<FloodKind, string>> = {
  syn: 'SYNs', ack: 'ACKs', rst: 'RSTs', ping: 'pings', garbage: 'garbage', slow: 'connections that do not read',
}

function thousands(value: number): string {
  return Number.isNaN(value) ? '-' : `${(value / 1000).toFixed(1)}k`
}

/** What is left of the throughput that the machine has beside the flooder. */
function kept({ beside, flooded }: FloodRow): number {
  return flooded / beside
}

function percent(value: number): string {
  return Number.isNaN(value) ? '-' : `${Math.round(value * 100)} %`
}

/** As Markdown, with the conditions below. */
export function floodTable(rows: Readonly<Record<FloodServer, readonly FloodRow[]>>, conditions: string): string {
  const head = [
    'flood', 'TAS alone, requests/s', 'flood elsewhere', 'flooded', 'kept', `must be ${percent(KEPT_GOAL)}`, 'C epoll on the kernel keeps',
  ]
  const cells = rows.tas.map((tas, i) => [
    NAMES[tas.kind], thousands(tas.alone), thousands(tas.beside), thousands(tas.flooded), percent(kept(tas)),
    kept(tas) >= KEPT_GOAL ? 'met' : 'NOT met', percent(kept(rows.cEpoll[i])),
  ])
  return markdownTable(head, cells, [conditions])
}
