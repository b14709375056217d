/** Structured logging as the slow path needs it; pino fits. */

export type LogFields = Readonly<Record<string, unknown>>

export interface Logger {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
}

/** A token bucket: at most `perSecond` in a row, refilled steadily. */
export class RateLimit {
  private readonly perSecond: number
  private tokens: number
  private lastUs: number

  constructor(perSecond: number, nowUs: number) {
    this.perSecond = perSecond
    this.tokens = perSecond
    this.lastUs = nowUs
  }

  /** Whether one more is allowed now. */
  allow(nowUs: number): boolean {
    const refill = Math.max(0, nowUs - this.lastUs) * this.perSecond / 1e6
    this.tokens = Math.min(this.perSecond, this.tokens + refill)
    this.lastUs = nowUs
    if (this.tokens < 1) return false
    this.tokens--
    return true
  }
}
