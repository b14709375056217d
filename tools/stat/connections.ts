/** `tas stat --connections`: all connections as a table or as JSON. */
import type { ConnectionRow } from '../control/connections.js'
import { printable, tableLines, type Column, type Paint } from '../control/terminal.js'

const COLUMNS: readonly Column<ConnectionRow>[] = [
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

/** A table of the main fields, a line for each connection. */
export function formatConnections(rows: readonly ConnectionRow[], paint: Paint): string {
  if (rows.length === 0) return 'no connections\n'
  return `${tableLines(COLUMNS, rows, paint).join('\n')}\n`
}

/** One line of JSON with every field of every connection. */
export function formatConnectionsJson(rows: readonly ConnectionRow[], timeMs: number): string {
  return `${JSON.stringify({ timeMs, connections: rows })}\n`
}
