/**
 * Preloaded into tests with a TAS of their own: who is refused it, as a thread or a process beside the first, writes what it was told into
 * SUITE_REFUSALS. A listener for warnings would be counted by tests, and what a child prints does not always come to light.
 */
import { appendFileSync } from 'node:fs'

const CODE = 'TASJS_NO_EMBEDDED'
const file = process.env['SUITE_REFUSALS'] ?? ''
const emitWarning = process.emitWarning

function note(warning: unknown, [details]: readonly unknown[]): void {
  const isRefusal = typeof details === 'object' && details !== null && 'code' in details && details.code === CODE
  if (!isRefusal) return
  try {
    appendFileSync(file, `${String(warning)}\n`)
  } catch {
    // A test that forbids itself to write is judged without.
  }
}

function emitAndNote(warning: unknown, ...rest: unknown[]): void {
  note(warning, rest)
  Reflect.apply(emitWarning, process, [warning, ...rest])
}

if (file !== '') process.emitWarning = emitAndNote
