/** Everything that a service holds, as tables. */
import { CONTEXT_NONE, type AppRow, type ContextRow, type ListenerRow, type RingFill, type WorkerRow } from '../../lib/memif/index.js'
import { endpoint, type ConnectionRow } from '../control/connections.js'
import { printable, tableLines, type Column, type Paint } from '../control/terminal.js'

/** The state at one time; parts that were not asked for are left out. */
export interface Overview {
  readonly timeMs: number
  readonly workers?: readonly WorkerRow[]
  readonly apps?: readonly AppRow[]
  readonly contexts?: readonly ContextRow[]
  readonly listeners?: readonly ListenerRow[]
  readonly flows: readonly ConnectionRow[]
}

function fill([waiting, entries]: RingFill): string {
  return `${waiting < 0 ? 'broken' : waiting}/${entries}`
}

/** Rings to several workers side by side. */
function fills(rings: readonly RingFill[]): string {
  return rings.map(fill).join(' ')
}

function awake(isAsleep: boolean): string {
  return isAsleep ? 'asleep' : 'awake'
}

const WORKERS: readonly Column<WorkerRow>[] = [
  ['worker', ({ worker }) => String(worker)],
  ['is', ({ isAsleep }) => awake(isAsleep)],
  ['flows', ({ flows }) => flows],
  ['to slow path', ({ toSlow }) => fill(toSlow)],
  ['from slow path', ({ toFast }) => fill(toFast)],
  ['commands without room', ({ waitingCommands }) => waitingCommands],
]

const APPS: readonly Column<AppRow>[] = [
  ['app', ({ app }) => String(app)],
  ['program', ({ pid, name }) => `${printable(name)} (${pid})`],
  ['contexts', ({ contexts }) => contexts],
  ['listeners', ({ listeners }) => listeners],
  ['connections', ({ connections }) => connections],
  ['buffer bytes', ({ bufferBytes }) => bufferBytes],
  ['of', ({ bufferRoomBytes }) => bufferRoomBytes],
]

const CONTEXTS: readonly Column<ContextRow>[] = [
  ['app', ({ app }) => String(app)],
  ['context', ({ context }) => String(context)],
  ['is', ({ isAsleep, isBlocked }) => isBlocked ? `${awake(isAsleep)}, its ring is full` : awake(isAsleep)],
  ['requests', ({ requests }) => fill(requests)],
  ['answers', ({ slowEvents }) => fill(slowEvents)],
  ['events of workers', ({ events }) => fills(events)],
  ['bumps to workers', ({ bumps }) => fills(bumps)],
]

const LISTENERS: readonly Column<ListenerRow>[] = [
  ['app', ({ app }) => String(app)],
  ['context', ({ context }) => String(context)],
  ['address', ({ ip, port }) => ip === 0 ? `*:${port}` : endpoint(ip, port)],
  ['backlog', ({ backlog }) => backlog],
  ['half-open', ({ halfOpen }) => halfOpen],
  ['not accepted', ({ waiting }) => waiting],
  ['accepts waiting', ({ accepts }) => accepts],
]

const FLOWS: readonly Column<ConnectionRow>[] = [
  ['id', ({ flow }) => flow < 0 ? '-' : String(flow)],
  ['state', ({ state }) => state],
  ['local', ({ local }) => local],
  ['peer', ({ remote }) => remote],
  ['program', ({ app, pid, name }) => app === 0 ? '-' : `${printable(name)} (${pid})`],
  ['context', ({ flow, context }) => flow < 0 || context === CONTEXT_NONE ? '-' : String(context)],
  ['worker', ({ worker }) => String(worker)],
  ['rtt us', ({ rttUs }) => rttUs],
  ['cwnd', ({ cwndBytes }) => cwndBytes],
  ['kbit/s', ({ rateKbps }) => rateKbps === 0 ? '-' : rateKbps.toLocaleString('en-US')],
  ['in flight', ({ inFlightBytes }) => inFlightBytes],
  ['unsent', ({ unsentBytes }) => unsentBytes],
  ['peer wnd', ({ sndWndBytes }) => sndWndBytes],
  ['rx buffer', ({ rxBufferBytes }) => rxBufferBytes],
  ['tx buffer', ({ txBufferBytes }) => txBufferBytes],
  ['retrans', ({ retransmits }) => retransmits],
]

function section<Row>(title: string, columns: readonly Column<Row>[], rows: readonly Row[] | undefined, paint: Paint): string[] {
  if (rows === undefined) return []
  const heading = `${paint.heading(title)} (${rows.length})`
  return rows.length === 0 ? [heading, ''] : [heading, ...tableLines(columns, rows, { ...paint, heading: paint.dim }).map((line) => `  ${line}`), '']
}

/** Text: a table for each part. */
export function formatOverview(overview: Overview, paint: Paint): string {
  return [
    ...section('workers', WORKERS, overview.workers, paint),
    ...section('applications', APPS, overview.apps, paint),
    ...section('contexts', CONTEXTS, overview.contexts, paint),
    ...section('listeners', LISTENERS, overview.listeners, paint),
    ...section('flows', FLOWS, overview.flows, paint),
  ].join('\n')
}

/** One line of JSON. */
export function formatOverviewJson(overview: Overview): string {
  return `${JSON.stringify(overview)}\n`
}
