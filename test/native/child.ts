/** Small programs in processes of their own that use the addon directly. */
import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const ADDON = fileURLToPath(new URL('../../build/Release/tasjs.node', import.meta.url))

/** Starts `code` (CommonJS) with `native` bound to the addon and `args` to the arguments. */
export function startChild(code: string, ...args: string[]): ChildProcess {
  const program = `const native = require(${JSON.stringify(ADDON)}); const args = process.argv.slice(1); ${code}`
  return spawn(process.execPath, ['-e', program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
}

export interface ChildResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
}

/** Waits for its end. */
export function childResult(child: ChildProcess): Promise<ChildResult> {
  let output = ''
  child.stdout?.on('data', (data: Buffer) => { output += data.toString() })
  child.stderr?.on('data', (data: Buffer) => { output += data.toString() })
  return new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, output }))
  })
}

/** Runs `code` to its end. `ADDON` in worker code is the addon's path. */
export function runChild(code: string, ...args: string[]): Promise<ChildResult> {
  return childResult(startChild(`const ADDON = ${JSON.stringify(ADDON)}; ${code}`, ...args))
}
