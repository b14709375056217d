/**
 * Runs the cases of a scenario as an ordinary program that knows nothing of TAS: `node [--import tasjs/interpose] scenario.js`. The address
 * that clients connect to is in HOST. Each case returns what a program can see; the test compares that between transports.
 */
import assert from 'node:assert/strict'
import { createServer, isIP, type LookupFunction, type Server } from 'node:net'

/** The address of the server, as clients name it. */
export const HOST = process.env['HOST'] ?? '127.0.0.1'

/** What a case has seen: JSON. */
export type Seen = unknown
export type Cases = Readonly<Record<string, () => Promise<Seen>>>

/** The result of one case as it is printed. */
export interface CaseResult {
  readonly name: string
  readonly seen: Seen
  readonly error: string | null
}

/** Longest time for a case, milliseconds: one that hangs fails. */
const CASE_MS = 15_000

/** The port of a server that listens. */
export function portOf(server: Server): number {
  const address = server.address()
  assert(typeof address === 'object' && address !== null)
  return address.port
}

/** Listens on `address`, every one if left out, on a port that is free, and returns the port. */
export async function listen(server: Server, address?: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port: 0, ...(address === undefined ? {} : { host: address }) }, resolve)
  })
  return portOf(server)
}

/** Closes a server and waits until all its connections are gone. */
export function closed(server: Server): Promise<void> {
  return new Promise((resolve, reject) => server.close((error) => (error === undefined ? resolve() : reject(error))))
}

/** A resolver that knows every name. */
export function lookupOf(addresses: readonly string[]): LookupFunction {
  const found = addresses.map((address) => ({ address, family: isIP(address) }))
  return (_name, options, callback) => process.nextTick(() => {
    if (options.all === true) callback(null, found)
    else callback(null, found[0].address, found[0].family)
  })
}

/** A port that is free. */
export async function freePort(): Promise<number> {
  const probe = createServer()
  const port = await listen(probe)
  await closed(probe)
  return port
}

/** What is comparable of an error: all but ports that change. */
export function errorOf(error: unknown): Record<string, unknown> {
  assert(error instanceof Error)
  const { code, errno, syscall, address } = error as NodeJS.ErrnoException & { address?: string }
  const message = error.message.replaceAll(/\d+\.\d+\.\d+\.\d+:\d+/g, 'ADDRESS').replaceAll(/:::\d+/g, 'ADDRESS').replaceAll(/null:\d+/g, 'null')
  return { message, code, errno, syscall, address: address === HOST ? 'HOST' : address }
}

/** The first error, or event, of an emitter. */
export function next(emitter: NodeJS.EventEmitter, event: string): Promise<unknown> {
  return new Promise((resolve) => emitter.once(event, resolve))
}

/** Pushes the names of `events` of `emitter` to `log`, with `prefix`. */
export function record(emitter: NodeJS.EventEmitter, events: readonly string[], log: string[], prefix = ''): void {
  for (const event of events) emitter.on(event, (value: unknown) => log.push(`${prefix}${event}${typeof value === 'boolean' ? ` ${value}` : ''}`))
}

async function runCase(name: string, run: () => Promise<Seen>): Promise<CaseResult> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took longer than ${CASE_MS} ms`)), CASE_MS)
  })
  try {
    return { name, seen: await Promise.race([run(), late]) ?? null, error: null }
  } catch (error) {
    return { name, seen: null, error: error instanceof Error ? error.stack ?? error.message : String(error) }
  } finally {
    clearTimeout(timer)
  }
}

/** Runs the cases, those named on the command line or all, and prints a line of JSON for each. Ends the process. */
export async function runCases(cases: Cases): Promise<void> {
  const wanted = process.argv.slice(2)
  for (const [name, run] of Object.entries(cases)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    process.stdout.write(`${JSON.stringify(await runCase(name, run))}\n`)
  }
  process.exit()
}
