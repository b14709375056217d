/** The table of docs/floods.md. */
import type { FloodKind } from '../tools/netlab/index.js'

/** In the order of the table. */
export const FLOOD_KINDS: readonly FloodKind[] = ['syn', 'ack', 'rst', 'ping', 'garbage', 'slow']

/** Part of the throughput that others should keep. */
export const KEPT_GOAL = 0.8

export type FloodServer = 'tas' | 'cEpoll'

/** Requests a second without and with a flood; NaN: not measured. */
export interface FloodRow {
  readonly kind: FloodKind
  readonly alone: number
  readonly flooded: number
}

const NAMES: Readonly<Record<FloodKind, string>> = {
  syn: 'SYNs', ack: 'ACKs', rst: 'RSTs', ping: 'pings', garbage: 'garbage', slow: 'connections that do not read',
}

function thousands(value: number): string {
  return Number.isNaN(value) ? '-' : `${(value / 1000).toFixed(1)}k`
}

function kept({ alone, flooded }: FloodRow): number {
  return flooded / alone
}

function percent(value: number): string {
  return Number.isNaN(value) ? '-' : `${Math.round(value * 100)} %`
}

/** As Markdown, with the conditions below. */
export function floodTable(rows: Readonly<Record<FloodServer, readonly FloodRow[]>>, conditions: string): string {
  const lines = rows.tas.map((tas, i) => {
    const kernel = rows.cEpoll[i]
    const verdict = kept(tas) >= KEPT_GOAL ? 'met' : 'NOT met'
    return `| ${NAMES[tas.kind]} | ${thousands(tas.alone)} | ${thousands(tas.flooded)} | ${percent(kept(tas))} | ${verdict} | ${percent(kept(kernel))} |`
  })
  return [
    `| flood | TAS alone, requests/s | flooded | kept | must be ${percent(KEPT_GOAL)} | C epoll on the kernel keeps |`,
    '|---|--:|--:|--:|---|--:|', ...lines, '', conditions,
  ].join('\n')
}
