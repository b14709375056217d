/** tas and what runs on it. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  startProcess, startService, statistic, until, type Cleanup, type Lab, type Process, type Service,
} from '../netlab/index.js'
import { ECHO_PORT, HTTP_PORT, program, tasArgs } from './demo.js'
import type { TestFile } from './testfile.js'

/** Listeners of both servers: HTTP, and echo, source and sink. */
const LISTENERS = 4
/** The HTTP server hashes its file before it listens. */
const START_MS = 60_000

export interface Servers {
  /** Null: each server has a TAS of its own. */
  readonly service: Service | null
  /** HTTP server on TAS. */
  readonly http: Process
  /** Echo server on TAS. */
  readonly echo: Process
}

export interface ServerOptions {
  readonly lab: Lab
  readonly cleanup: Cleanup
  readonly folder: string
  readonly file: TestFile
  /** They stay when this process ends. */
  readonly detached: boolean
  /** No service: each server has a TAS of its own. */
  readonly embedded: boolean
}

/** Whether a server has written that it listens; the echo server does so when all its listeners do. */
function hasSaidReady(logFile: string): boolean {
  return /ready|listening/.test(readFileSync(logFile, 'utf8'))
}

/** Starts tas with default options and both servers, and waits until they listen. Throws Error if one of them ends. */
export async function startServers({ lab, cleanup, folder, file, detached, embedded }: ServerOptions): Promise<Servers> {
  const service = embedded ? null : await startService(lab, { folder, detached })
  const args = tasArgs(lab, service)
  const logOf = (name: string): string => join(folder, `${name}.log`)
  const start = (name: string, path: string, ...programArgs: readonly string[]): Process => startProcess(name, {
    ...program(path, programArgs), detached, logFile: logOf(name), ...(service === null ? { namespace: lab.tas.name } : { env: service.env }),
  }, cleanup)
  // What servers before them have said would be taken for theirs.
  for (const name of ['http-server', 'echo-server']) rmSync(logOf(name), { force: true })
  const http = start('http-server', 'examples/http-server.js', '--port', String(HTTP_PORT), '--file', file.path, ...args.http)
  const echo = start('echo-server', 'bench/servers/tas.js', '--port', String(ECHO_PORT), ...args.echo)
  await until('the servers on TAS listen', async () => {
    for (const server of [http, echo]) if (server.exit !== null) throw server.endedError()
    if (service === null) return [http, echo].every(({ name }) => hasSaidReady(logOf(name)))
    return statistic(await service.statistics(), 'listeners') >= LISTENERS
  }, START_MS)
  return { service, http, echo }
}
