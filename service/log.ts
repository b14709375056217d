/** Levelled structured logging to stderr: pino, as text lines or as JSON. */
import pino from 'pino'
import type { LogLevelName } from './optiontable.js'

/** The part of a logger that the service uses: fields, then a message. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Where lines go. */
export interface LineSink {
  write(line: string): unknown
}

export interface LogOptions {
  readonly logLevel: LogLevelName
  /** Warnings and errors only. */
  readonly quiet: boolean
  /** JSON lines in place of text. */
  readonly logJson: boolean
}

/** Fields of every pino line; the others are the caller's. */
const STANDARD_FIELDS = new Set(['level', 'time', 'msg'])

function fieldText(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value) ?? 'undefined'
}

/** One line of text from one of JSON: `12:00:00.123 info message  key=value ...`. */
export function formatLine(json: string): string {
  const line = JSON.parse(json) as Readonly<Record<string, unknown>>
  const clock = new Date(Number(line['time'])).toISOString().slice(11, 23)
  const fields = Object.entries(line).filter(([name]) => !STANDARD_FIELDS.has(name))
  const text = fields.map(([name, value]) => `${name}=${fieldText(value)}`).join(' ')
  const label = pino.levels.labels[Number(line['level'])] ?? 'info'
  return `${clock} ${label.padEnd(5)} ${String(line['msg'])}${text === '' ? '' : `  ${text}`}\n`
}

/** Least level to log. */
export function effectiveLevel(options: LogOptions): LogLevelName {
  const wanted = pino.levels.values[options.logLevel] ?? 0
  return options.quiet && wanted < (pino.levels.values['warn'] ?? 0) ? 'warn' : options.logLevel
}

/** Makes the service's logger, which writes whole lines to `sink` at once. */
export function createLog(options: LogOptions, sink: LineSink): Log {
  const stream = { write: (json: string) => void sink.write(options.logJson ? json : formatLine(json)) }
  return pino({ level: effectiveLevel(options), base: null }, stream)
}

/** Microseconds in a second. */
const SECOND_US = 1_000_000

/**
 * A token bucket for messages that packets or applications can cause: so many at once, so many a second, and how
 * many were suppressed with the next that passes. Time is handed in.
 */
export class RateLimiter {
  private readonly burst: number
  private readonly perSecond: number
  private readonly log: Log
  private tokens: number
  private lastUs: number
  private suppressed = 0

  /** At most `burst` messages at once and `perSecond` a second in the long run, to `log`. */
  constructor(log: Log, burst: number, perSecond: number, nowUs: number) {
    this.log = log
    this.burst = burst
    this.perSecond = perSecond
    this.tokens = burst
    this.lastUs = nowUs
  }

  /** Logs a warning at `nowUs` if the bucket allows it. Returns whether it did. */
  warn(nowUs: number, fields: object, message: string): boolean {
    this.tokens = Math.min(this.burst, this.tokens + (Math.max(0, nowUs - this.lastUs) * this.perSecond) / SECOND_US)
    this.lastUs = nowUs
    if (this.tokens < 1) {
      this.suppressed++
      return false
    }
    this.tokens--
    if (this.suppressed > 0) this.log.warn({ suppressed: this.suppressed }, `suppressed ${this.suppressed} similar messages`)
    this.suppressed = 0
    this.log.warn(fields, message)
    return true
  }
}
