import { describe, expect, it } from 'vitest'
import { parseWrk } from '../../bench/loads/wrkoutput.js'

/** Printed by wrk 4.1.0 of Debian. */
const OUTPUT = `Running 1s test @ https://127.0.0.1:17898/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.47ms    3.36ms  44.71ms   91.90%
    Req/Sec    27.64k    11.93k   38.39k    81.82%
  Latency Distribution
     50%  910.00us
     75%    2.15ms
     90%    5.05ms
     99%    1.02s
  30404 requests in 1.11s, 1.86MB read
Requests/sec:  27449.92
Transfer/sec:      1.68MB
`
const ERRORS = `  Socket errors: connect 0, read 12, write 0, timeout 3
  Non-2xx or 3xx responses: 7
Requests/sec:`

describe('output of wrk', () => {
  it('a good run -> its figures, times in microseconds', () => {
    expect(parseWrk(OUTPUT)).toEqual({
      requests: 30_404, seconds: 1.11, requestsPerSecond: 27_449.92, latencyUs: { p50: 910, p99: 1_020_000 }, failure: null,
    })
  })

  it('a longer run -> minutes are understood', () => {
    expect(parseWrk(OUTPUT.replace('in 1.11s', 'in 1.50m')).seconds).toBe(90)
  })

  it('errors and wrong answers -> a failure that names them', () => {
    const output = OUTPUT.replace('Requests/sec:', ERRORS)
    expect(parseWrk(output).failure).toBe('socket errors: read 12, socket errors: timeout 3, 7 answers that were not 2xx')
  })

  it('no answer at all -> a failure', () => {
    expect(parseWrk(OUTPUT.replace('30404 requests', '0 requests')).failure).toBe('no request was answered')
  })

  it('something else -> an error with its last line', () => {
    expect(() => parseWrk('unable to connect to 10.0.0.1:7000 Connection refused')).toThrow(/unable to connect/)
  })
})
