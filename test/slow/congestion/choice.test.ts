/** Which algorithm a connection has: configured, chosen, or CUBIC where DCTCP must not be. ECN with it. */
import { describe, expect, it } from 'vitest'
import {
  CONGESTION_CONTROLS, EV_CONN_OPTION, OPTION_CONGESTION, REQ_CONN_OPEN, REQ_CONN_OPTION, type CongestionControl,
} from '../../../lib/memif/index.js'
import { TCP_CWR, TCP_ECE } from '../../../lib/wire/index.js'
import type { Algorithm, EcnMode } from '../../../service/slow/index.js'
import { OUR_IP, PEER_IP } from '../harness.js'
import { CONNECTION, REMOTE_PORT, TCP_SYN } from '../scenes.js'
import { begun, played, type Played, type Setting } from './scenes.js'
import { listConnections } from '../../connectionlist.js'

const ECN_SYN = TCP_SYN | TCP_ECE | TCP_CWR
const MODULE: Algorithm = { name: 'mine', looks: 'limited', create: () => ({ update: () => undefined, onLoss: ({ cwndBytes }) => cwndBytes / 2 }) }

function choose({ open, handle }: Played, name: CongestionControl): number {
  const value = CONGESTION_CONTROLS.indexOf(name)
  open.context.request(REQ_CONN_OPTION, handle, { flow: open.flow, gen: open.gen, option: OPTION_CONGESTION, value })
  return open.context.read().find(({ type }) => type === EV_CONN_OPTION)?.status ?? -1
}

describe('--cc', () => {
  it.each(['dctcp-rate', 'dctcp-win', 'timely', 'const-rate', 'cubic', 'reno'] as const)('%s -> connections with ECN have it', (algorithm) => {
    expect(played({ cc: { algorithm } }).algorithm).toBe(algorithm)
  })

  it('a module -> connections have it; none given -> RangeError', () => {
    expect(played({ module: MODULE, cc: { algorithm: 'module' } }).algorithm).toBe('module')
    expect(() => played({ cc: { algorithm: 'module' } })).toThrow(/no module/)
  })

  it('--cc-const-rate -> the rate of every connection; 0: none', () => {
    expect(played({ cc: { algorithm: 'const-rate', constRateKbps: 12_345 } }).rateKbps).toBe(12_345)
    expect(played({ cc: { algorithm: 'const-rate' } }).rateKbps).toBe(0)
  })

  it('--tcp-link-bw -> rates at it are none', () => {
    expect(played({ linkBwGbps: 1 }).rateKbps).toBe(0)
    expect(played({ linkBwGbps: 2 }).rateKbps).toBe(1_200_000)
  })
})

describe('dctcp without what it needs (RFC 8257, 4.1 and 5)', () => {
  it.each(['dctcp-rate', 'dctcp-win'] as const)('%s: the peer does not ask for ECN -> cubic', (algorithm) => {
    expect(played({ cc: { algorithm } }, { hasEcn: false }).algorithm).toBe('cubic')
  })

  it('--tcp-ecn=off -> cubic', () => {
    expect(played({ ecn: 'off' }).algorithm).toBe('cubic')
  })

  it.each([[10_000, 'dctcp-rate'], [10_001, 'cubic'], [80_000, 'cubic']])('a handshake of %i us -> %s', (rttUs, algorithm) => {
    expect(played({}, { rttUs }).algorithm).toBe(algorithm)
  })

  it('a handshake that was slow by chance -> dctcp-rate as soon as a round trip is short, with the window as its rate', () => {
    const flow = played({}, { rttUs: 50_000 }).rtt(1000).send(100_000)
    expect(flow.algorithm).toBe('cubic')
    flow.ack(10_000).limited()
    expect(flow.algorithm).toBe('dctcp-rate')
    expect(flow.rateKbps).toBe(10 * 12_000)
  })

  it('timely, const-rate and others need none of it', () => {
    for (const algorithm of ['timely', 'const-rate', 'reno'] as const) {
      expect(played({ cc: { algorithm } }, { hasEcn: false, rttUs: 80_000 }).algorithm).toBe(algorithm)
    }
  })
})

describe('ECN in our SYN (RFC 3168, 6.1.1)', () => {
  function synFlags(setting: Setting, choice?: CongestionControl, remoteIp = PEER_IP): number {
    const { host, context } = begun(setting)
    if (choice) context.request(REQ_CONN_OPTION, CONNECTION, { flow: -1, option: OPTION_CONGESTION, value: CONGESTION_CONTROLS.indexOf(choice) })
    context.request(REQ_CONN_OPEN, CONNECTION, { remoteIp, ports: REMOTE_PORT << 16 })
    return host.sent()[0]?.flags ?? -1
  }

  it.each([
    ['auto', 'dctcp-rate', ECN_SYN], ['auto', 'dctcp-win', ECN_SYN], ['auto', 'timely', TCP_SYN], ['auto', 'cubic', TCP_SYN],
    ['passive', 'dctcp-rate', TCP_SYN], ['off', 'dctcp-rate', TCP_SYN], ['on', 'cubic', ECN_SYN], ['on', 'timely', ECN_SYN],
  ] as [EcnMode, CongestionControl, number][])('--tcp-ecn=%s --cc=%s -> SYN with flags %i', (ecn, algorithm, flags) => {
    expect(synFlags({ ecn, cc: { algorithm } })).toBe(flags)
  })

  it('the connection has chosen otherwise -> its choice counts', () => {
    expect(synFlags({ cc: { algorithm: 'cubic' } }, 'dctcp-win')).toBe(ECN_SYN)
    expect(synFlags({}, 'cubic')).toBe(TCP_SYN)
  })

  it('to an address of our own -> not asked for: nothing marks inside, and cubic has the connection', () => {
    const { host, context } = begun()
    const ports = (REMOTE_PORT << 16) | REMOTE_PORT
    context.request(REQ_CONN_OPEN, CONNECTION, { remoteIp: OUR_IP, localIp: OUR_IP, ports })
    for (let i = 0; i < 3; i++) host.poll()
    const [row] = listConnections(host.slow, host.nowUs)
    expect([row.state, CONGESTION_CONTROLS[row.congestion], row.flags & 8]).toEqual(['ESTABLISHED', 'cubic', 0])
  })
})

describe('choice of a connection', () => {
  it('of a listener -> its connections have it', () => {
    expect(played({ choice: 'reno' }).algorithm).toBe('reno')
    expect(played({ choice: 'dctcp-win', cc: { algorithm: 'cubic' } }).algorithm).toBe('dctcp-win')
    expect(played({ choice: 'dctcp-win', cc: { algorithm: 'cubic' } }, { hasEcn: false }).algorithm).toBe('cubic')
  })

  it('in the middle of a transfer -> in force at once; window and rate go on', () => {
    const flow = played({ cc: { algorithm: 'cubic' } }).rtt(1000).send(1_000_000)
    flow.ack(10_000).limited()
    const { cwnd } = flow
    expect(choose(flow, 'dctcp-rate')).toBe(0)
    expect([flow.algorithm, flow.rateKbps]).toEqual(['dctcp-rate', Math.round((cwnd * 8 * 1500) / 1448)])
    expect(choose(flow, 'cubic')).toBe(0)
    expect([flow.algorithm, flow.rateKbps]).toEqual(['cubic', 0])
    expect(choose(flow, 'const-rate')).toBe(0)
    expect(flow.cwnd).toBe(2 << 20)
  })

  it('module: with one -> in force; without -> ENOENT', () => {
    const having = played({ module: MODULE })
    expect([choose(having, 'module'), having.algorithm]).toEqual([0, 'module'])
    expect(choose(played(), 'module')).toBe(2)
  })
})
