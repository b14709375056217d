import { describe, expect, it } from 'vitest'
import { createLog, effectiveLevel, RateLimiter, type LogOptions } from '../../service/log.js'

const TEXT: LogOptions = { logLevel: 'info', quiet: false, logJson: false }

function logged(options: LogOptions, use: (log: ReturnType<typeof createLog>) => void): string[] {
  const lines: string[] = []
  use(createLog(options, { write: (line) => lines.push(line) }))
  return lines
}

describe('log', () => {
  it('text: message first, then fields, one line', () => {
    const [line] = logged(TEXT, (log) => log.info({ app: 1, name: 'a "b"\n', list: [1] }, 'application connected'))
    expect(line).toMatch(/^\d\d:\d\d:\d\d\.\d{3} info {2}application connected {2}app=1 name="a \\"b\\"\\n" list=\[1\]\n$/)
  })

  it('json: one object a line', () => {
    const [line] = logged({ ...TEXT, logJson: true }, (log) => log.warn({ worker: 0 }, 'worker died'))
    expect(JSON.parse(line)).toMatchObject({ level: 40, worker: 0, msg: 'worker died' })
  })

  it.each([
    ['info', false, 'info'], ['info', true, 'warn'], ['debug', true, 'warn'], ['error', true, 'error'], ['trace', false, 'trace'],
  ] as const)('level %s, quiet %s -> %s', (logLevel, quiet, level) => {
    expect(effectiveLevel({ logLevel, quiet, logJson: false })).toBe(level)
  })

  it('quiet: info -> nothing', () => {
    expect(logged({ ...TEXT, quiet: true }, (log) => log.info({}, 'ready'))).toEqual([])
  })
})

describe('RateLimiter', () => {
  it('burst, then so many a second, and the number suppressed', () => {
    let limiter: RateLimiter
    const lines = logged(TEXT, (log) => {
      limiter = new RateLimiter(log, 2, 1, 0)
      expect([0, 0, 0, 1000, 500_000].map((at) => limiter.warn(at, {}, 'bad'))).toEqual([true, true, false, false, false])
      expect(limiter.warn(1_000_000, {}, 'bad')).toBe(true)
    })
    expect(lines).toHaveLength(4)
    expect(lines[2]).toContain('suppressed 3 similar messages')
  })

  it('time going backwards -> no tokens', () => {
    logged(TEXT, (log) => {
      const limiter = new RateLimiter(log, 1, 1, 5_000_000)
      expect(limiter.warn(5_000_000, {}, 'bad')).toBe(true)
      expect(limiter.warn(0, {}, 'bad')).toBe(false)
    })
  })
})
