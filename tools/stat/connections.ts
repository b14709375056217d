/** `tas stat --connections`: asks the service for all its connections over its control socket, and prints them. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConnectionRow } from '../../lib/memif/index.js'
import { type Answer, Control } from '../control/ask.js'
import type { Paint } from './format.js'

/** The service takes 256 messages in a second from one process (service/control.ts). */
const PAGES_BEFORE_PAUSE = 200
const PAUSE_MS = 1_100

function rowsOf({ connections }: Answer): readonly ConnectionRow[] {
  if (!Array.isArray(connections)) throw new Error("the service answers in another way; use the service's own tas stat")
  return connections as readonly ConnectionRow[]
}

async function fetchPages(control: Control): Promise<ConnectionRow[]> {
  const rows: ConnectionRow[] = []
  for (let pages = 1, more = true; more; pages++) {
    const page = control.ask({ op: 'connections', first: pages === 1 })
    rows.push(...rowsOf(page))
    more = page['more'] === true
    if (more && pages % PAGES_BEFORE_PAUSE === 0) await sleep(PAUSE_MS)
  }
  return rows
}

/** All connections of the service at `socket`, a page at a time so that it is not held up. Throws Error. */
export function fetchConnections(socket: string): Promise<ConnectionRow[]> {
  return Control.with(socket, 'see connections', fetchPages)
}

const COLUMNS: readonly (readonly [string, (row: ConnectionRow) => string | number])[] = [
  ['state', ({ state }) => state],
  ['local', ({ local }) => local],
  ['peer', ({ remote }) => remote],
  ['program', ({ app, pid, name }) => app === 0 ? '-' : `${printable(name)} (${pid})`],
  ['rtt us', ({ rttUs }) => rttUs],
  ['rto ms', ({ rtoUs }) => Math.round(rtoUs / 1000)],
  ['cwnd', ({ cwndBytes }) => cwndBytes],
  ['peer wnd', ({ sndWndBytes }) => sndWndBytes],
  ['in flight', ({ inFlightBytes }) => inFlightBytes],
  ['unsent', ({ unsentBytes }) => unsentBytes],
  ['sent', ({ sentBytes }) => sentBytes],
  ['received', ({ receivedBytes }) => receivedBytes],
  ['retrans', ({ retransmits }) => retransmits],
  ['heard ms', ({ heardMs }) => heardMs],
]
/** Columns of text stand left, numbers right. */
const TEXT_COLUMNS = 4

/** A program names itself: what could move the cursor or colour the terminal is shown as a question mark. */
function printable(name: string): string {
  return String(name).replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')
}

/** A table of the main fields, a line for each connection. */
export function formatConnections(rows: readonly ConnectionRow[], paint: Paint): string {
  if (rows.length === 0) return 'no connections\n'
  const cells = rows.map((row) => COLUMNS.map(([, value]) => {
    const shown = value(row)
    return typeof shown === 'number' ? shown.toLocaleString('en-US') : shown
  }))
  const widths = COLUMNS.map(([title], column) => Math.max(title.length, ...cells.map((line) => line[column].length)))
  const line = (texts: readonly string[]): string => texts.map((text, column) =>
    column < TEXT_COLUMNS ? text.padEnd(widths[column]) : text.padStart(widths[column])).join('  ').trimEnd()
  const heading = paint.heading(line(COLUMNS.map(([title]) => title)))
  return `${[heading, ...cells.map(line)].join('\n')}\n`
}

/** One line of JSON with every field of every connection. */
export function formatConnectionsJson(rows: readonly ConnectionRow[], timeMs: number): string {
  return `${JSON.stringify({ timeMs, connections: rows })}\n`
}
