/**
 * `tas trace`: has a running service trace what it does, and prints it. The service traces as long as the tool's connection to it lives, so it
 * ends with the tool however that ends.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { TraceReader, type FlowQuery } from '../../lib/memif/index.js'
import { closeFd, mapRegion, nowUs, waitReadable } from '../../native/index.js'
import { withService, type ServiceClient } from '../control/client.js'
import type { Environment } from '../control/commandline.js'
import { connectionRows } from '../control/connections.js'
import { readFlow } from '../control/flowoption.js'
import { runTool } from '../control/run.js'
import { terminalPaint, write } from '../control/terminal.js'
import { TraceCapture } from './capture.js'
import { passes, tuplesOf, wantedKinds, type TraceFilter } from './filter.js'
import { TraceMerge } from './merge.js'
import { parseTraceOptions, type TraceOptions } from './options.js'
import type { TraceRecord } from './records.js'
import { formatRecord, formatRecordJson } from './text.js'

/** How often the rings are read: 32,768 entries in that time are more than a worker writes. */
const READ_MS = 10

/** Where records go. */
interface Sink {
  /** Returns false once nobody reads any more. */
  put(records: readonly TraceRecord[], lost: number): Promise<boolean>
  end(): void
}

function textSink(json: boolean): Sink {
  const paint = terminalPaint()
  const lostText = (lost: number): string => json ? `${JSON.stringify({ kind: 'lost', entries: lost })}\n` : `-- ${lost} entries lost --\n`
  return {
    put: async (records, lost) => {
      const text = records.map((record) => json ? formatRecordJson(record) : formatRecord(record, paint)).join('') + (lost > 0 ? lostText(lost) : '')
      return text === '' || write(text)
    },
    end: () => undefined,
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
}

/** Throws Error if the file cannot be made. */
function captureSink(file: string, rings: number): Sink {
  const fd = file === '-' ? 1 : openSync(file, 'w')
  const capture = new TraceCapture(rings, (bytes) => writeAll(fd, bytes))
  const whileRead = (body: () => void): boolean => {
    try {
      body()
      return true
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EPIPE') return false
      throw error
    }
  }
  return {
    put: async (records) => whileRead(() => {
      for (const record of records) capture.add(record)
      capture.flush()
    }),
    end: () => {
      whileRead(() => capture.end())
      if (fd !== 1) closeSync(fd)
    },
  }
}

/** Both ends of the connection that is wanted; a number is looked up. Throws Error if there is none. */
async function findTuples(client: ServiceClient, queries: readonly FlowQuery[]): Promise<TraceFilter['tuples']> {
  const tuples = tuplesOf(queries)
  if (tuples.length > 0) return tuples
  const detail = await client.flow(queries[0])
  if (detail === null) throw new Error('--flow: there is no such flow; tas state lists all')
  const [{ local, remote }] = connectionRows([detail.row], [])
  return tuplesOf(readFlow(`${local}-${remote}`))
}

async function filterOf(client: ServiceClient, { kind, port, flow }: TraceOptions): Promise<TraceFilter> {
  const tuples = flow === undefined ? undefined : await findTuples(client, flow)
  return {
    ...(kind === undefined ? {} : { kinds: kind }), ...(port === undefined ? {} : { port }), ...(tuples === undefined ? {} : { tuples }),
  }
}

/** Switches tracing on. Returns its region's reader. Throws Error. */
async function attach(client: ServiceClient, kinds: number): Promise<TraceReader> {
  const { message, fds } = await client.ask({ op: 'trace', kinds })
  const lenBytes = message['lenBytes']
  if (fds.length !== 1 || typeof lenBytes !== 'number') throw new Error('the service does not know the question; use its own tas')
  try {
    return new TraceReader(mapRegion(fds[0], lenBytes, false))
  } finally {
    closeFd(fds[0])
  }
}

/** Set when the user wants an end. */
class Ending {
  isWanted = false

  constructor(seconds: number | undefined) {
    const end = (): void => { this.isWanted = true }
    process.once('SIGINT', end)
    process.once('SIGTERM', end)
    if (seconds !== undefined) setTimeout(end, seconds * 1000).unref()
  }
}

/** Something to read, which after the answer can only be the end. */
function hasHungUp({ fd }: ServiceClient): boolean {
  return waitReadable(Int32Array.of(fd), 1, 0) !== 0
}

async function trace(client: ServiceClient, options: TraceOptions): Promise<void> {
  const filter = await filterOf(client, options)
  const ending = new Ending(options.seconds)
  const reader = await attach(client, wantedKinds(filter))
  const sink = options.pcapng === undefined ? textSink(options.json) : captureSink(options.pcapng, reader.rings)
  const merge = new TraceMerge(reader, Date.now() * 1000 - nowUs())
  process.stderr.write('tas trace: tracing; ^C ends it\n')
  let shown = 0
  let lost = 0
  for (let going = true; going;) {
    await sleep(READ_MS)
    // Looked at before the rings: what the service did until then is in them.
    const isGone = hasHungUp(client)
    going = !ending.isWanted && !isGone
    const records = merge.take(nowUs(), !going).filter((record) => passes(record, filter))
    going = await sink.put(records, reader.lost - lost) && going
    shown += records.length
    lost = reader.lost
    if (isGone) break
  }
  sink.end()
  process.stderr.write(`tas trace: ${shown} entries, ${lost} lost\n`)
  if (hasHungUp(client)) throw new Error(`--socket: "${options.socket}": tas has ended`)
}

/** Runs `tas trace` with its own arguments. Returns the exit code. */
export function runTrace(argv: readonly string[], env: Environment): Promise<number> {
  return runTool('trace', async () => {
    const options = parseTraceOptions(argv, env)
    if (options !== null) await withService(resolve(options.socket), (client) => trace(client, options))
  })
}
