/** What tshark's TCP analysis says about a capture of tas-linkem. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { run } from '../../tools/netlab/index.js'

const runFile = promisify(execFile)
const OUTPUT_MAX_BYTES = 256 << 20

/** Sides of a capture: the interfaces of tas-linkem in its order. */
export const SIDES = { tas: 0, peer: 1 } as const
export type Side = keyof typeof SIDES

/** The analysis and the fields that it sets, by the name that tests and tables use. */
const ANALYSES = {
  'spurious retransmission': 'tcp.analysis.spurious_retransmission',
  'fast retransmission': 'tcp.analysis.fast_retransmission',
  retransmission: 'tcp.analysis.retransmission',
  'out of order': 'tcp.analysis.out_of_order',
  'segment not captured': 'tcp.analysis.lost_segment',
  'ACKed unseen segment': 'tcp.analysis.ack_lost_segment',
  'window full': 'tcp.analysis.window_full',
  'zero window': 'tcp.analysis.zero_window',
  'zero window probe': 'tcp.analysis.zero_window_probe',
  'keep-alive': 'tcp.analysis.keep_alive',
  'duplicate ACK': 'tcp.analysis.duplicate_ack',
  'reused ports': 'tcp.analysis.reused_ports',
} as const

export type Finding = keyof typeof ANALYSES | 'bad checksum' | 'malformed' | 'beyond the window'

/** One packet that tshark remarked on. */
export interface Remark {
  readonly finding: Finding
  readonly frame: number
  /** Seconds since the first packet. */
  readonly atSeconds: number
  readonly source: string
  readonly seq: number
  readonly ack: number
  readonly len: number
}

/** What one side's capture shows. */
export interface Analysis {
  readonly packets: number
  /** Segments with payload, by their source address. */
  readonly dataSegments: ReadonlyMap<string, number>
  readonly remarks: readonly Remark[]
}

const FIELDS = [
  'frame.number', 'frame.time_relative', 'ip.src', 'tcp.seq', 'tcp.ack', 'tcp.len', 'tcp.checksum.status', 'ip.checksum.status', '_ws.malformed',
  'tcp.window_size', 'tcp.flags', 'tcp.stream', ...Object.values(ANALYSES),
]
/** tcp.checksum.status and ip.checksum.status: 1 is good. */
const CHECKSUM_GOOD = '1'
const SYN = 0x02
const ACK = 0x10

interface Row {
  readonly remark: Omit<Remark, 'finding'>
  readonly window: number
  readonly flags: number
  readonly stream: string
}

/**
 * Right edge of the window that each end of each connection has offered. tshark itself marks only a window that is filled exactly.
 */
class Edges {
  private readonly edges = new Map<string, number>()

  /** Takes in a packet; whether its payload goes beyond what its receiver has offered. */
  isBeyond({ remark, window, flags, stream }: Row): boolean {
    const { source, seq, len, ack } = remark
    const offered = [...this.edges].find(([key]) => key.startsWith(`${stream} `) && key !== `${stream} ${source}`)?.[1]
    if ((flags & (SYN | ACK)) !== 0) {
      const key = `${stream} ${source}`
      this.edges.set(key, Math.max(this.edges.get(key) ?? 0, ack + window))
    }
    return len > 0 && offered !== undefined && seq + len > offered
  }
}

function remarksOf(row: Row, columns: readonly string[], edges: Edges): Remark[] {
  const findings: Finding[] = []
  const [, , , , , , tcpChecksum, ipChecksum, malformed] = columns
  if (tcpChecksum !== CHECKSUM_GOOD || ipChecksum !== CHECKSUM_GOOD) findings.push('bad checksum')
  if (malformed !== '') findings.push('malformed')
  const first = FIELDS.length - Object.keys(ANALYSES).length
  Object.keys(ANALYSES).forEach((name, i) => { if (columns[first + i] !== '') findings.push(name as Finding) })
  // A probe of a closed window is one byte beyond it (RFC 9293, 3.8.6.1).
  if (edges.isBeyond(row) && !findings.includes('zero window probe')) findings.push('beyond the window')
  return findings.map(finding => ({ finding, ...row.remark }))
}

/** Reads what `tshark -T fields` printed for FIELDS. */
export function readAnalysis(lines: readonly string[]): Analysis {
  const dataSegments = new Map<string, number>()
  const remarks: Remark[] = []
  const edges = new Edges()
  for (const line of lines) {
    const columns = line.split('\t')
    const [frame, at, source, seq, ack, len] = columns
    const remark = { frame: Number(frame), atSeconds: Number(at), source, seq: Number(seq), ack: Number(ack), len: Number(len) }
    const row = { remark, window: Number(columns[9]), flags: Number(columns[10]), stream: columns[11] }
    if (remark.len > 0) dataSegments.set(source, (dataSegments.get(source) ?? 0) + 1)
    remarks.push(...remarksOf(row, columns, edges))
  }
  return { packets: lines.length, dataSegments, remarks }
}

/**
 * Examines what one side of the link saw. Packets of both sides stand in the file, and those of two directions in the order in which the
 * emulator took them up: the other side's are removed and the rest is put in order first. Throws Error with tshark's complaint.
 */
export async function analyse(capture: string, side: Side, folder: string): Promise<Analysis> {
  const [sorted, one] = [join(folder, 'sorted.pcapng'), join(folder, `${side}.pcapng`)]
  await run('reordercap', [capture, sorted])
  await run('tshark', ['-r', sorted, '-Y', `tcp && frame.interface_id == ${SIDES[side]}`, '-w', one])
  const options = ['-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE', '-o', 'tcp.desegment_tcp_streams:FALSE']
  const text = await runTshark(['-r', one, ...options, '-T', 'fields', ...FIELDS.flatMap(field => ['-e', field])])
  return readAnalysis(text)
}

async function runTshark(args: readonly string[]): Promise<string[]> {
  const { stdout } = await runFile('tshark', [...args], { maxBuffer: OUTPUT_MAX_BYTES })
  return stdout.split('\n').filter(line => line !== '')
}
