/** One flow in full: every field of its TCB with name, unit and value, and what the slow path keeps of it. */
import {
  FLAGS_DSCP, FLAGS_TOS_SHIFT, FLOW_COLUMNS, TCB_FIELDS, TCB_FLAG_NAMES, TCB_STATE_NAMES, tcbFieldValue, type AppRow, type FlowDetail,
  type NamedValues, type TcbField,
} from '../../lib/memif/index.js'
import { formatIpv4Address } from '../../lib/wire/index.js'
import { connectionRows, type ConnectionRow } from '../control/connections.js'
import { printable, type Paint } from '../control/terminal.js'

/** A value as text, with its unit or what it means. */
type Line = readonly [name: string, value: string, note: string]

const NAME_UNITS = [['Us', 'us'], ['Ms', 'ms'], ['Bytes', 'bytes'], ['Kbps', 'kbit/s']] as const

/** The unit that a name ends in, '' for none. */
function unitOf(name: string): string {
  return NAME_UNITS.find(([ending]) => name.endsWith(ending))?.[1] ?? ''
}

function networkOrder(raw: number): number {
  return new DataView(Int32Array.of(raw).buffer).getUint32(0, false)
}

/** Names of the bits that are set in the flags of a TCB, and the TOS byte if it is not 0. */
export function flagNames(flags: number): string[] {
  const names: string[] = TCB_FLAG_NAMES.filter((_, bit) => (flags & (1 << bit)) !== 0)
  const tos = (flags & FLAGS_DSCP) >>> FLAGS_TOS_SHIFT
  return tos === 0 ? names : [...names, `TOS ${tos}`]
}

function fieldText({ kind, unit }: TcbField, value: number): readonly [value: string, note: string] {
  switch (kind) {
    case 'address': return [formatIpv4Address(networkOrder(value)), '']
    case 'ports': return [`${networkOrder(value) >>> 16} ${networkOrder(value) & 0xffff}`, "peer's, local"]
    case 'state': return [String(value), TCB_STATE_NAMES[value] ?? 'unknown']
    case 'flags': return [`0x${value.toString(16)}`, flagNames(value | 0).join(' ')]
    case 'seq': return [String(value), 'seq']
    case 'number': return [value.toLocaleString('en-US'), unit]
  }
}

/** Every field of a TCB by name, as it stands there. */
export function tcbValues(tcb: readonly number[]): Readonly<Record<string, number>> {
  const words = Int32Array.from(tcb)
  return Object.fromEntries(TCB_FIELDS.map((field) => [field.name, tcbFieldValue(words, field)]))
}

function tcbLines(tcb: readonly number[]): Line[] {
  const words = Int32Array.from(tcb)
  return TCB_FIELDS.map((field) => [field.name, ...fieldText(field, tcbFieldValue(words, field))])
}

/** Amounts with thousands separated; what has no unit may be a number of any kind, a sequence number for one. */
function valueText(value: unknown, unit: string): string {
  return typeof value === 'number' ? value.toLocaleString('en-US', { maximumFractionDigits: 6, useGrouping: unit !== '' }) : printable(String(value))
}

function namedLines(values: NamedValues): Line[] {
  return Object.entries(values).map(([name, value]) => {
    const unit = unitOf(name)
    return [printable(name), valueText(value, unit), unit]
  })
}

/** Columns that stand in the first line already. */
const IN_TITLE: ReadonlySet<string> = new Set(['state', 'localIp', 'localPort', 'remoteIp', 'remotePort'])

function rowValues(row: ConnectionRow): NamedValues {
  return Object.fromEntries(FLOW_COLUMNS.flatMap((name) => IN_TITLE.has(name) ? [] : [[name, row[name as keyof ConnectionRow]]]))
}

function section(title: string, lines: readonly Line[], paint: Paint): string[] {
  if (lines.length === 0) return [paint.heading(title), '  none', '']
  const [nameWidth, valueWidth] = [0, 1].map((column) => Math.max(...lines.map((line) => line[column].length)))
  const text = lines.map(([name, value, note]) => `  ${paint.dim(name.padEnd(nameWidth))}  ${value.padStart(valueWidth)}  ${note}`.trimEnd())
  return [paint.heading(title), ...text, '']
}

function withProgram(detail: FlowDetail, apps: readonly AppRow[]): ConnectionRow {
  return connectionRows([detail.row], apps)[0]
}

/** Text: a section for each place where something about the flow is kept. */
export function formatFlow(detail: FlowDetail, apps: readonly AppRow[], paint: Paint): string {
  const row = withProgram(detail, apps)
  const program = row.app === 0 ? 'no program' : `${printable(row.name)} (${row.pid})`
  return [
    `${row.local} - ${row.remote}  ${row.state}  ${program}`, '',
    ...section('as its application sees it', namedLines(rowValues(row)), paint),
    ...section('TCB', detail.tcb === null ? [] : tcbLines(detail.tcb), paint),
    ...section('slow path', namedLines(detail.connection), paint),
    ...section('timers', namedLines(detail.timers), paint),
    ...section('congestion control', namedLines(detail.congestion ?? {}), paint),
    ...section('loss recovery', namedLines(detail.recovery ?? {}), paint),
  ].join('\n')
}

/** One line of JSON. */
export function formatFlowJson(detail: FlowDetail, apps: readonly AppRow[], timeMs: number): string {
  const { tcb, row: _, ...kept } = detail
  return `${JSON.stringify({ timeMs, flow: { ...withProgram(detail, apps), tcb: tcb === null ? null : tcbValues(tcb), ...kept } })}\n`
}
