/** Frames, flow reports and requests made of anything: nothing throws, nothing leaks. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EV_LISTEN_NEWCONN } from '../../lib/memif/index.js'
import { checksum, writeU16 } from '../../lib/wire/index.js'
import { arpFrame, Host, OUR_IP, PEER_IP, RX_BUF, segmentFrame } from './harness.js'
import { accepted, connecting, listening, PEER_ISS } from './scenes.js'

const GAUGES = ['apps', 'contexts', 'listeners', 'bufferBytes', 'flowsSynSent', 'flowsSynReceived',
  'flowsEstablished', 'flowsClosing'] as const
/** Does not verify TCP checksums, so that mutated segments get further. */
const UNVERIFIED = 1

/** Ends everything and looks for what is left. */
function expectNoLeak(host: Host, app: number): void {
  host.slow.apps.removeApp(app)
  for (let i = 0; i < 6; i++) host.work()
  host.advance(200_000_000)
  expect(GAUGES.map((name) => [name, host.count(name)])).toEqual(GAUGES.map((name) => [name, 0]))
  expect(host.count('flowsTimeWait')).toBe(0)
  expect(host.slow.nextDeadlineUs()).toBe(Infinity)
}

describe('hostile input', () => {
  it('mutated frames -> no exception, every flow and buffer comes back', () => {
    const mutation = fc.array(fc.tuple(fc.nat(80), fc.integer({ min: 0, max: 255 })), { maxLength: 4 })
    const segment = fc.record({
      kind: fc.nat(4), flags: fc.nat(255), seq: fc.integer({ min: -2, max: RX_BUF + 2 }), ack: fc.integer({
        min: -1, max: 3 }),
      remotePort: fc.constantFrom(5000, 6000), payload: fc.nat(20), mutation,
    })
    fc.assert(fc.property(fc.array(segment, { maxLength: 30 }), (segments) => {
      const { host, app, iss, flow, gen } = accepted()
      for (const { kind, flags, seq, ack, remotePort, payload, mutation: changes } of segments) {
        const frame = kind === 0 ? arpFrame({}) : segmentFrame({
          seq: PEER_ISS + seq, ack: iss + ack, flags, remotePort, payload: new Uint8Array(payload),
            options: { timestamps: { value: 1, echo: 2 } },
        })
        for (const [at, value] of changes) if (at >= 14 && at < frame.length) frame[at] = value
        writeU16(frame, 24, 0)
        if (kind > 0) writeU16(frame, 24, checksum(frame, 14, 20))
        host.receiveFrame(frame, kind === 1 ? flow : -1, gen, UNVERIFIED)
        host.work()
      }
      expectNoLeak(host, app.id)
    }), { numRuns: 150 })
  })

  it('any requests -> no exception, nothing of another application is touched', () => {
    const word = fc.oneof(fc.integer({ min: -2, max: 12 }), fc.integer(), fc.constantFrom(OUR_IP, PEER_IP, 80 << 16, 80))
    const request = fc.record({ type: fc.integer({ min: 0, max: 8 }), handle: fc.nat(3), ports: word,
      remoteIp: word, localIp: word, flow: word,
      gen: fc.nat(2), listener: fc.nat(3), backlog: word, context: word })
    fc.assert(fc.property(fc.array(request, { maxLength: 40 }), (requests) => {
      const victim = accepted()
      const { host } = victim
      const attacker = host.addApp()
      for (const { type, handle, ...fields } of requests) {
        attacker.context.request(type, handle, fields)
        attacker.context.read()
        host.work()
      }
      host.slow.apps.removeApp(attacker.id)
      host.work()
      // Anybody may connect to a listener; of that it is told.
      const events = victim.context.read().filter(({ type }) => type !== EV_LISTEN_NEWCONN)
      expect([host.count('flowsEstablished'), events]).toEqual([1, []])
      expectNoLeak(host, victim.app.id)
    }), { numRuns: 150 })
  })

  it('any flow reports -> no exception, no leak', () => {
    const report = fc.record({ flow: fc.integer({ min: -1, max: 9 }), gen: fc.nat(2), what: fc.nat(127) })
    fc.assert(fc.property(fc.array(report, { maxLength: 40 }), (reports) => {
      const { host, app } = accepted()
      for (const { flow, gen, what } of reports) host.report(flow, gen, what)
      expectNoLeak(host, app.id)
    }), { numRuns: 150 })
  })

  it('SYN flood from addresses that do not exist -> bounded by backlog and half the ARP cache, and over in time', () => {
    const { host, app } = listening({ config: { addresses: [{ ip: OUR_IP, prefix: 8 }] } }, 16)
    for (let i = 0; i < 3000; i++) host.send({ flags: 2, remoteIp: 0x0a010000 + i })
    expect([host.count('flowsSynReceived'), host.count('synCookiesSent'), host.count('arpEntries')]).toEqual([16, 2031, 2048])
    expect(host.count('synDropped')).toBe(3000 - 16 - 2031)
    host.advance(300_000_000)
    expect([host.count('flowsSynReceived'), host.count('arpEntries')]).toEqual([0, 1])
    expectNoLeak(host, app.id)
  })

  it('application dies while it connects -> no leak', () => {
    const { host, app } = connecting({ coldArp: true })
    expectNoLeak(host, app.id)
  })
})
