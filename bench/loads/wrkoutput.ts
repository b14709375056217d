/** What wrk prints. */

export interface WrkResult {
  readonly requests: number
  readonly seconds: number
  readonly requestsPerSecond: number
  readonly latencyUs: { readonly p50: number; readonly p99: number }
  /** What went wrong, or null. */
  readonly failure: string | null
}

const UNITS_US: Readonly<Record<string, number>> = { us: 1, ms: 1e3, s: 1e6, m: 6e7, h: 3.6e9 }
const UNITS_S: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 }

function withUnit(text: string, units: Readonly<Record<string, number>>): number {
  const match = /^([\d.]+)(us|ms|s|m|h)$/.exec(text)
  return match === null ? Number.NaN : Number(match[1]) * units[match[2]]
}

function find(output: string, pattern: RegExp): string {
  const match = pattern.exec(output)
  if (match === null) throw new Error(`wrk: no ${String(pattern)} in its output: ${output.trim().split('\n').at(-1) ?? ''}`)
  return match[1]
}

/** Percentile of the table that --latency prints. */
function percentile(output: string, percent: number): number {
  return withUnit(find(output, new RegExp(`^\\s+${percent}%\\s+(\\S+)$`, 'm')), UNITS_US)
}

function failureIn(output: string, requests: number): string | null {
  const errors = /^\s*Socket errors: (.*)$/m.exec(output)?.[1].split(', ').filter((text) => !text.endsWith(' 0')) ?? []
  const bad = /^\s*Non-2xx or 3xx responses: (\d+)$/m.exec(output)
  const failures = [...errors.map((text) => `socket errors: ${text}`), ...(bad === null ? [] : [`${bad[1]} answers that were not 2xx`])]
  if (failures.length > 0) return failures.join(', ')
  return requests === 0 ? 'no request was answered' : null
}

/** The figures in what `wrk --latency` prints. Throws Error if they are not there. */
export function parseWrk(output: string): WrkResult {
  const requests = Number(find(output, /^\s*(\d+) requests in/m))
  return {
    requests,
    seconds: withUnit(find(output, /^\s*\d+ requests in (\S+),/m), UNITS_S),
    requestsPerSecond: Number(find(output, /^Requests\/sec:\s+([\d.]+)$/m)),
    latencyUs: { p50: percentile(output, 50), p99: percentile(output, 99) },
    failure: failureIn(output, requests),
  }
}
