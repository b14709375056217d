/** What the steps of the demonstration share. */
import { compiled } from '../netlab/paths.js'
import { PREFIX_LENGTH, TAS_ADDRESS, type Cleanup, type Lab, type Process, type Service } from '../netlab/index.js'
import type { TestFile } from './testfile.js'

/** Port of the HTTP server on TAS. */
export const HTTP_PORT = 8080
/** First port of the echo server on TAS. */
export const ECHO_PORT = 7000

/** Addresses of programs that have a TAS of their own each (--embedded); the echo server has TAS_ADDRESS then. */
const EMBEDDED_HTTP_ADDRESS = '10.77.0.4'
const EMBEDDED_CLIENT_ADDRESS = '10.77.0.5'

/** The running demonstration. */
export interface Demo {
  readonly cleanup: Cleanup
  readonly lab: Lab
  /** Folder for everything that is written. */
  readonly folder: string
  /** What is sent both ways over HTTP. */
  readonly file: TestFile
  /** Null: each program has a TAS of its own (--embedded). */
  service: Service | null
  http: Process
  echo: Process
}

/** One step. Throws Error with what did not hold. */
export interface Step {
  readonly title: string
  /** Returns what was seen, in a few words; says on the way how far it is. */
  run(demo: Demo, say: (news: string) => void): Promise<string>
}

/** Where the HTTP server on TAS is reached. */
export function httpSite({ service }: Pick<Demo, 'service'>): string {
  return `http://${service === null ? EMBEDDED_HTTP_ADDRESS : TAS_ADDRESS}:${HTTP_PORT}`
}

/** Address of a program on TAS that a user starts. */
export function clientAddress(service: Service | null): string {
  return service === null ? EMBEDDED_CLIENT_ADDRESS : TAS_ADDRESS
}

/** What makes a program have a TAS of its own: options of our examples and servers. */
function embeddedArgs({ tas }: Lab, address: string): string[] {
  return ['--nic', tas.interface, '--ip-addr', `${address}/${PREFIX_LENGTH}`]
}

/** The same for each of the programs; none of them where there is a service. */
export function tasArgs(lab: Lab, service: Service | null): Readonly<Record<'http' | 'echo' | 'client', readonly string[]>> {
  if (service !== null) return { http: [], echo: [], client: [] }
  return {
    http: embeddedArgs(lab, EMBEDDED_HTTP_ADDRESS), echo: embeddedArgs(lab, TAS_ADDRESS), client: embeddedArgs(lab, EMBEDDED_CLIENT_ADDRESS),
  }
}

/** Throws Error with `message` unless `condition` holds. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

/** '1.2 GB/s' and the like. */
export function rate(bytes: number, startMs: number): string {
  const seconds = (performance.now() - startMs) / 1000
  return `${(bytes / seconds / 1e6).toFixed(0)} MB/s`
}

/** Command line arguments that run one of our compiled programs with Node. */
export function program(path: string, args: readonly string[]): { command: string; args: string[] } {
  return { command: process.execPath, args: [compiled(path), ...args] }
}
