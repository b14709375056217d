import { describe, expect, it } from 'vitest'
import { parseOptions } from '../../bench/options.js'
import { BenchUsageError } from '../../bench/program.js'
import { SERVERS } from '../../bench/contenders.js'
import { SCENARIOS } from '../../bench/rows/index.js'
import { plan, planSeconds, Progress } from '../../bench/schedule.js'

describe('options', () => {
  it('none -> 3 runs of everything, client pinned', () => {
    const options = parseOptions([])
    expect(options).toMatchObject({ runs: 3, seconds: 2, warmup: 3, pin: 'client', json: null, readme: false, contenders: SERVERS })
    expect(options.only).toEqual(['step', ...SCENARIOS.map(({ name }) => name)])
  })

  it('--only and --contenders -> those, in the order of the table', () => {
    expect(parseOptions(['--only', 'echo64,echo1', '--contenders', 'nodeNet,tas'])).toMatchObject({
      only: ['echo1', 'echo64'], contenders: ['tas', 'nodeNet'],
    })
  })

  it.each([
    [['--runs', '0'], /--runs: "0"/], [['--runs', '1.5'], /whole/], [['--seconds', 'x'], /--seconds: "x"/],
    [['--pin', 'all'], /--pin: "all"/], [['--only', 'echo1,no'], /--only: "no"/], [['--contenders', 'tass'], /--contenders: "tass"/],
    [['--no-such'], /--no-such/], [['word'], /word/],
  ])('%j -> usage error', (argv, message) => {
    expect(() => parseOptions(argv)).toThrow(BenchUsageError)
    expect(() => parseOptions(argv)).toThrow(message)
  })
})

describe('schedule', () => {
  const echo1 = SCENARIOS.filter(({ name }) => name === 'echo1')

  it('several runs -> each server first in turn, those of a scenario one after the other', () => {
    const turns = plan(echo1, ['tas', 'nodeNet'], 2)
    expect(turns.map(({ server, run }) => `${server}${run}`)).toEqual(['tas0', 'nodeNet0', 'nodeNet1', 'tas1'])
  })

  it('a scenario that only some servers have -> those alone', () => {
    const http = SCENARIOS.filter(({ name }) => name === 'http')
    expect(plan(http, SERVERS, 1).map(({ server }) => server)).toEqual(['tas', 'tasEmbedded', 'nodeNet', 'bun'])
  })

  it('everything with 3 runs of 2 s -> below 35 minutes', () => {
    const { runs, seconds, warmup } = parseOptions([])
    expect(planSeconds(plan(SCENARIOS, SERVERS, runs), { seconds, warmup })).toBeLessThan(35 * 60)
  })

  it('half is done in twice the expected time -> the rest takes twice as long, too', () => {
    const progress = new Progress(100, 0)
    expect(progress.left(0)).toBe('2 min left')
    progress.done(50)
    expect(progress.left(100_000)).toBe('2 min left')
    progress.done(30)
    expect(progress.left(160_000)).toBe('40 s left')
  })
})
