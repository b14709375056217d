import { describe, expect, it } from 'vitest'
import {
  EVENT_RX_CLOSED, TCP_STATES, TO_FAST_FLOW_ADD, TO_SLOW_FLOW, TRACE_BUMP, TRACE_EVENT, TRACE_FLOW, TRACE_FLOW_STATE, TRACE_LOSS,
  TRACE_LOSS_TIMEOUT, TRACE_MESSAGE, TRACE_RATE, TRACE_RX, TRACE_SLEEP, TRACE_TIMER, TRACE_TX, WHAT_ACTIVE, WHAT_ECE,
} from '../../lib/memif/index.js'
import { TCP_ACK, TCP_SYN } from '../../lib/wire/index.js'
import { rawWord } from '../../service/slow/rawword.js'
import { TraceCapture } from '../../tools/trace/capture.js'
import { passes, tuplesOf, wantedKinds } from '../../tools/trace/filter.js'
import { TraceMerge } from '../../tools/trace/merge.js'
import { parseTraceOptions } from '../../tools/trace/options.js'
import { decodeEntry, type TraceRecord } from '../../tools/trace/records.js'
import { describe as textOf, formatRecord, formatRecordJson } from '../../tools/trace/text.js'
import { segmentFrame } from '../slow/frames.js'
import { TestTrace } from '../tracing.js'

const PLAIN = { heading: (text: string) => text, dim: (text: string) => text }
const REMOTE = rawWord(0x0a000002)
const LOCAL = rawWord(0x0a000001)
const PORTS = rawWord((5000 << 16) | 80)

/** One entry about flow 7 of 10.0.0.1:80 - 10.0.0.2:5000. */
function record(kind: number, what: number, values: readonly number[] = [], flow = 7): TraceRecord {
  const trace = new TestTrace(1, () => 0)
  const [a = 0, b = 0, c = 0, d = 0] = values
  if (flow < 0) trace.writer.connection(kind, what, -1, 0, 0, 0, 0, a, b, c, d)
  else trace.writer.connection(kind, what, flow, 2, REMOTE, PORTS, LOCAL, a, b, c, d)
  return trace.records()[0]
}

function frame(kind: number, bytes: Uint8Array, wireBytes = bytes.length): TraceRecord {
  const trace = new TestTrace(1, () => 0)
  trace.writer.frame(kind, 0, bytes, 0, bytes.length, wireBytes)
  return trace.records()[0]
}

const SYN = segmentFrame({ seq: 1000, flags: TCP_SYN, remotePort: 5000, localPort: 80, options: { mss: 1460, windowScale: 7, sackPermitted: true } })
const ENDS = '10.0.0.1:80 - 10.0.0.2:5000'

describe('trace: options', () => {
  it('none -> everything as text until ^C', () => expect(parseTraceOptions([], {})).toEqual({ socket: '/run/tas.sock', json: false }))

  it('all -> as given', () => {
    expect(parseTraceOptions(['--kind=rx,tx', '--flow=7', '--port=80', '--seconds=1.5', '--pcapng=-'], { TAS_SOCKET: '/tmp/a' })).toEqual({
      socket: '/tmp/a', json: false, kind: ['rx', 'tx'], flow: [{ flow: 7 }], port: 80, seconds: 1.5, pcapng: '-',
    })
  })

  it.each([
    [['--kind=rx,packets'], '--kind: "rx,packets": want some of rx,tx,message,flow,event,bump,loss,timer,rate,sleep'],
    [['--seconds=0'], '--seconds: "0": want seconds from 0.1 to 86400, as in 1'],
    [['--port=70000'], '--port: "70000": want a port from 1 to 65535'],
    [['--pcapng='], '--pcapng: "": want a file, or - for standard output'],
    [['--json', '--pcapng=a'], '--json: is for text; leave it or --pcapng out'],
    [['--wach'], '--wach: unknown option; see tas trace --help'],
  ])('%j -> %s', (argv, message) => expect(() => parseTraceOptions(argv, {})).toThrow(new Error(message)))
})

describe('trace: text', () => {
  it.each([
    [record(TRACE_FLOW, TRACE_FLOW_STATE, [TCP_STATES.indexOf('SYN-RECEIVED'), TCP_STATES.indexOf('ESTABLISHED')]), `#7.2 ${ENDS}: SYN-RECEIVED -> ESTABLISHED`],
    [record(TRACE_MESSAGE, TO_FAST_FLOW_ADD, [1]), `#7.2 ${ENDS}: to worker 1: FLOW_ADD`],
    [record(TRACE_MESSAGE, TO_SLOW_FLOW, [0, WHAT_ACTIVE | WHAT_ECE]), `#7.2 ${ENDS}: from worker 0: FLOW ACTIVE ECE`],
    [record(TRACE_MESSAGE, 200, [0]), `#7.2 ${ENDS}: to worker 0: 200`],
    [record(TRACE_EVENT, 0, [EVENT_RX_CLOSED, -1, 5, (3 << 16) | 1]), `#7.2 ${ENDS}: to app 3 context 1: received up to 4294967295, acknowledged up to 5, peer has closed`],
    [record(TRACE_BUMP, 0, [1, 6, 7, 3 << 16]), `#7.2 ${ENDS}: from app 3 context 0: read up to 6, written up to 7, closes`],
    [record(TRACE_LOSS, TRACE_LOSS_TIMEOUT, [-1, 2]), `#7.2 ${ENDS}: retransmission timeout at 4294967295, 2 in a row`],
    [record(TRACE_TIMER, 1), `#7.2 ${ENDS}: retransmission timer expires`],
    [record(TRACE_TIMER, 99), `#7.2 ${ENDS}: 99 timer expires`],
    [record(TRACE_RATE, 0, [14_480, 0x7fffffff, 0, 120]), `#7.2 ${ENDS}: cwnd 14480 rate unpaced rtt 120 us`],
    [record(TRACE_RATE, 0, [14_480, 2896, 50_000, 120]), `#7.2 ${ENDS}: cwnd 14480 ssthresh 2896 rate 50000 kbit/s rtt 120 us`],
    [record(TRACE_SLEEP, 1, [], -1), 'goes to sleep'],
    [frame(TRACE_RX, SYN), '10.0.0.2:5000 > 10.0.0.1:80 SYN seq 1000 win 65535 len 0 mss 1460 wscale 7 sackOK'],
    [frame(TRACE_RX, Uint8Array.from({ length: 42 }, (_, i) => i === 12 ? 8 : i === 13 ? 6 : 0)), 'ARP, 42 bytes'],
    [frame(TRACE_RX, new Uint8Array(3)), 'type 0x0, 3 bytes'],
  ])('%#: %s', (entry, text) => expect(textOf(entry).replace(/win \d+/, 'win 65535')).toBe(text))

  it('a line -> time, place, kind', () => {
    const trace = new TestTrace(1, () => 0)
    trace.writer.connection(TRACE_SLEEP, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0)
    const [entry] = trace.records()
    expect(formatRecord({ ...entry, timeUs: 1_234_567 }, PLAIN)).toMatch(/^\d\d:\d\d:01\.234567 worker 0 {2}sleep {3}goes on\n$/)
  })

  it('JSON -> fields, and the text', () => {
    expect(JSON.parse(formatRecordJson(frame(TRACE_RX, SYN)))).toMatchObject({
      source: 'worker 0', kind: 'rx', local: '10.0.0.1:80', remote: '10.0.0.2:5000', flags: TCP_SYN, seq: 1000, payloadBytes: 0, lenBytes: SYN.length,
    })
    expect(JSON.parse(formatRecordJson(record(TRACE_TIMER, 1)))).toMatchObject({ kind: 'timer', flow: 7, gen: 2, local: '10.0.0.1:80', text: expect.any(String) })
  })
})

describe('trace: decoding', () => {
  it('an unknown kind -> left out; lengths that cannot be -> cut', () => {
    const clocks = { nowUs: 0, epochUs: 0 }
    const entry = new Int32Array(32)
    entry[1] = 77
    expect(decodeEntry(entry, 0, clocks)).toBe(null)
    entry.set([0, TRACE_TX, -5, 1_000_000])
    expect(decodeEntry(entry, 0, clocks)?.frame?.bytes).toHaveLength(96)
    entry.set([0, TRACE_TX, -5, -1])
    expect(decodeEntry(entry, 0, clocks)?.frame?.bytes).toHaveLength(0)
  })

  it('times of 32 bits -> since 1970, also over their end', () => {
    const entry = new Int32Array(32)
    entry[0] = 0xffff_ff00 | 0
    entry[1] = TRACE_SLEEP
    expect(decodeEntry(entry, 0, { nowUs: 2 ** 33 + 100.7, epochUs: 1e15 })?.timeUs).toBe(1e15 + 2 ** 33 - 256)
  })

  it('a segment with its end missing, as it always is -> payload of the whole', () => {
    const bytes = segmentFrame({ seq: 5, ack: 6, flags: TCP_ACK, payload: new Uint8Array(700) })
    expect(frame(TRACE_TX, bytes).frame?.tcp).toMatchObject({ seq: 5, payloadLen: 700 })
  })
})

describe('trace: filter', () => {
  const syn = frame(TRACE_RX, SYN)
  const [tuples] = [tuplesOf([{ localIp: 0x0a000002, localPort: 5000, remoteIp: 0x0a000001, remotePort: 80 },
    { localIp: 0x0a000001, localPort: 80, remoteIp: 0x0a000002, remotePort: 5000 }])]

  it('kinds -> bits; none -> all', () => {
    expect(wantedKinds({ kinds: ['rx', 'flow'] })).toBe((1 << TRACE_RX) | (1 << TRACE_FLOW))
    expect(wantedKinds({})).toBe(1023)
  })

  it.each([
    [{}, true, true, true], [{ kinds: ['rx' as const] }, true, false, false], [{ port: 80 }, true, true, false], [{ port: 5000 }, true, true, false],
    [{ port: 81 }, false, false, false], [{ tuples }, true, true, false], [{ tuples: [{ ...tuples[1], remotePort: 5001 }] }, false, false, false],
  ])('%#: frame %s, timer %s, sleep %s', (filter, ...expected) => {
    expect([syn, record(TRACE_TIMER, 1), record(TRACE_SLEEP, 1, [], -1)].map((one) => passes(one, filter))).toEqual(expected)
  })
})

describe('trace: order', () => {
  it('entries of several rings -> by time, those that may still be overtaken later', () => {
    const entries: Int32Array[][] = [[], []]
    const add = (ring: number, timeUs: number): void => {
      const entry = new Int32Array(32)
      entry[0] = timeUs
      entry[1] = TRACE_SLEEP
      entries[ring].push(entry)
    }
    const merge = new TraceMerge({ rings: 2, read: (ring, take) => entries[ring].splice(0).forEach(take) }, 0)
    for (const at of [100, 300, 400_000]) add(0, at)
    add(1, 200)
    expect(merge.take(400_100).map(({ timeUs }) => timeUs)).toEqual([100, 200, 300])
    add(1, 399_000)
    expect(merge.take(400_200)).toEqual([])
    expect(merge.take(400_300, true).map(({ timeUs }) => timeUs)).toEqual([399_000, 400_000])
  })
})

describe('trace: pcapng', () => {
  it('frames -> packets of their process; all else -> comments of the next, or of an empty one at the end', () => {
    const pieces: Uint8Array[] = []
    const capture = new TraceCapture(2, (bytes) => pieces.push(bytes.slice()))
    capture.add(record(TRACE_TIMER, 1))
    capture.add(frame(TRACE_RX, SYN, 1500))
    capture.add(record(TRACE_SLEEP, 1, [], -1))
    capture.end()
    const file = Buffer.concat(pieces)
    const types: number[] = []
    for (let at = 0; at < file.length; at += file.readUInt32LE(at + 4)) types.push(file.readUInt32LE(at))
    expect(types).toEqual([0x0a0d0d0a, 1, 1, 6, 6])
    const text = file.toString('latin1')
    expect(text.indexOf(`worker 0 timer: #7.2 ${ENDS}: retransmission timer expires`)).toBeGreaterThan(0)
    expect(text.indexOf('worker 0 sleep: goes to sleep')).toBeGreaterThan(text.indexOf('retransmission timer'))
    expect(['slow path', 'worker 0', 'tas trace'].every((name) => text.includes(name))).toBe(true)
  })

  it('more comments than fit one -> several empty frames, none lost', () => {
    const pieces: Uint8Array[] = []
    const capture = new TraceCapture(2, (bytes) => pieces.push(bytes.slice()))
    for (let i = 0; i < 100; i++) capture.add(record(TRACE_LOSS, 5, [i, 1]))
    capture.end()
    expect(Buffer.concat(pieces).toString('latin1').match(/sent again/g)).toHaveLength(100)
  })
})
