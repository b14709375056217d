/** `tas stat --connections`: asks the service for all its connections over its control socket, and prints them. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CONTROL_PAGE_MAX, decodeControl, encodeControl, type ConnectionRow,
} from '../../lib/memif/index.js'
import { closeFd, connectUnix, receiveMessage, sendMessage, waitReadable } from '../../native/index.js'
import type { Paint } from './format.js'

const ANSWER_TIMEOUT_US = 5_000_000
/** The service takes 256 messages in a second from one process (service/control.ts). */
const PAGES_BEFORE_PAUSE = 200
const PAUSE_MS = 1_100

function explain(socket: string, error: unknown): Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new Error(`--socket: "${socket}": no tas runs there; start one or name its socket`)
  }
  if (code === 'EACCES') return new Error(`--socket: "${socket}": permission denied; only the user of tas and root may see connections`)
  return error instanceof Error ? error : new Error(String(error))
}

/** One question and its answer. Throws Error if the service refuses, hangs up or says something else. */
function askPage(control: number, isFirst: boolean, buffer: Uint8Array): Readonly<Record<string, unknown>> {
  const isSent = sendMessage(control, encodeControl({ op: 'connections', first: isFirst }))
  if (!isSent || waitReadable(Int32Array.of(control), 1, ANSWER_TIMEOUT_US) === 0) {
    throw new Error('the service does not answer')
  }
  const received = receiveMessage(control, buffer)
  for (const fd of received?.fds ?? []) closeFd(fd)
  if (received === null || received.lenBytes === 0) throw new Error('the service hung up')
  const message = decodeControl(buffer.subarray(0, received.lenBytes))
  if (message?.['op'] === 'error') throw new Error(`the service refused: ${String(message['message'])}`)
  if (message?.['op'] !== 'connections' || !Array.isArray(message['connections'])) {
    throw new Error("the service does not know the question; use the service's own tas stat")
  }
  return message
}

/** All connections of the service at `socket`, a page at a time so that it is not held up. Throws Error. */
export async function fetchConnections(socket: string): Promise<ConnectionRow[]> {
  let control = -1
  try {
    control = connectUnix(socket)
    const rows: ConnectionRow[] = []
    const buffer = new Uint8Array(CONTROL_PAGE_MAX)
    for (let pages = 1, more = true; more; pages++) {
      const message = askPage(control, pages === 1, buffer)
      rows.push(...(message['connections'] as ConnectionRow[]))
      more = message['more'] === true
      if (more && pages % PAGES_BEFORE_PAUSE === 0) await sleep(PAUSE_MS)
    }
    return rows
  } catch (error) {
    throw explain(socket, error)
  } finally {
    if (control >= 0) closeFd(control)
  }
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
