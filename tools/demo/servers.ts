/** tas and what runs on it. */
import { join } from 'node:path'
import {
  startProcess, startService, statistic, until, type Cleanup, type Lab, type Process, type Service,
} from '../netlab/index.js'
import { ECHO_PORT, HTTP_PORT, program } from './demo.js'
import type { TestFile } from './testfile.js'

/** Listeners of both servers: HTTP, and echo, source and sink. */
const LISTENERS = 4
/** The HTTP server hashes its file before it listens. */
const START_MS = 60_000

export interface Servers {
  readonly service: Service
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
}

/** Starts tas with default options and both servers, and waits until they listen. Throws Error if one of them ends. */
export async function startServers({ lab, cleanup, folder, file, detached }: ServerOptions): Promise<Servers> {
  const service = await startService(lab, { folder, detached })
  const start = (name: string, path: string, ...args: string[]): Process => startProcess(name, {
    ...program(path, args), env: service.env, detached, logFile: join(folder, `${name}.log`),
  }, cleanup)
  const http = start('http-server', 'examples/http-server.js', '--port', String(HTTP_PORT), '--file', file.path)
  const echo = start('echo-server', 'bench/servers/tas.js', '--port', String(ECHO_PORT))
  await until('the servers on TAS listen', async () => {
    for (const server of [http, echo]) if (server.exit !== null) throw server.endedError()
    return statistic(await service.statistics(), 'listeners') >= LISTENERS
  }, START_MS)
  return { service, http, echo }
}
