/** What the steps of the demonstration share. */
import { compiled } from '../netlab/paths.js'
import type { Cleanup, Lab, Process, Service } from '../netlab/index.js'
import type { TestFile } from './testfile.js'

/** Port of the HTTP server on TAS. */
export const HTTP_PORT = 8080
/** First port of the echo server on TAS. */
export const ECHO_PORT = 7000

/** The running demonstration. */
export interface Demo {
  readonly cleanup: Cleanup
  readonly lab: Lab
  /** Folder for everything that is written. */
  readonly folder: string
  /** What is sent both ways over HTTP. */
  readonly file: TestFile
  service: Service
  http: Process
  echo: Process
}

/** One step. Throws Error with what did not hold. */
export interface Step {
  readonly title: string
  /** Returns what was seen, in a few words; says on the way how far it is. */
  run(demo: Demo, say: (news: string) => void): Promise<string>
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
