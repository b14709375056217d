/** What the slow path is told of the command line. That each value acts, test/slow/congestion shows. */
import { describe, expect, it } from 'vitest'
import { parseOptions } from '../../service/options.js'
import { DEFAULT_CONGESTION, type CongestionConfig, type TcpConfig } from '../../service/slow/index.js'
import { slowConfig } from '../../service/slowconfig.js'

const BASE = ['--ip-addr=10.0.0.1/24', '--nic=eth0']

function congestion(...argv: string[]): CongestionConfig {
  return slowConfig(parseOptions([...BASE, ...argv], {}), 1).cc
}

function tcp(...argv: string[]): TcpConfig {
  return slowConfig(parseOptions([...BASE, ...argv], {}), 1).tcp
}

describe('congestion control', () => {
  it('nothing given -> the defaults of the slow path', () => {
    expect(congestion()).toEqual(DEFAULT_CONGESTION)
    expect(tcp().ecn).toBe('auto')
  })

  it.each([
    ['--cc=timely', { algorithm: 'timely' }], ['--cc=reno', { algorithm: 'reno' }], ['--cc=./mine.js', { algorithm: 'module' }],
    ['--cc-control-interval=3', { controlIntervalRtts: 3 }], ['--cc-control-granularity=70', { controlGranularityUs: 70 }],
    ['--cc-rexmit-ints=9', { rexmitInts: 9 }], ['--cc-const-rate=77', { constRateKbps: 77 }],
    ['--cc-dctcp-weight=0.5', { dctcp: { weight: 0.5 } }], ['--cc-dctcp-init=5', { dctcp: { initKbps: 5 } }], ['--cc-dctcp-step=6', { dctcp: { stepKbps: 6 } }],
    ['--cc-dctcp-mimd=1.1', { dctcp: { mimd: 1.1 } }], ['--cc-dctcp-min=7', { dctcp: { minKbps: 7 } }], ['--cc-dctcp-minpkts=8', { dctcp: { minPackets: 8 } }],
    ['--cc-timely-tlow=20', { timely: { tlowUs: 20 } }], ['--cc-timely-thigh=500', { timely: { thighUs: 500 } }],
    ['--cc-timely-step=6', { timely: { stepKbps: 6 } }], ['--cc-timely-init=5', { timely: { initKbps: 5 } }],
    ['--cc-timely-alpha=0.3', { timely: { alpha: 0.3 } }], ['--cc-timely-beta=0.4', { timely: { beta: 0.4 } }],
    ['--cc-timely-minrtt=12', { timely: { minRttUs: 12 } }], ['--cc-timely-minrate=13', { timely: { minKbps: 13 } }],
  ])('%s -> %j', (argument, expected) => {
    expect(congestion(argument)).toMatchObject(expected)
    expect(congestion(argument)).not.toEqual(DEFAULT_CONGESTION)
  })

  it('--tcp-ecn, --tcp-link-bw, --tcp-rtt-init -> as given', () => {
    expect(tcp('--tcp-ecn=passive', '--tcp-link-bw=40', '--tcp-rtt-init=9')).toMatchObject({ ecn: 'passive', linkBwGbps: 40, rttInitUs: 9 })
  })
})
