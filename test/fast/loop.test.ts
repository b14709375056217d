/** The loop of a worker process with a real clock, which nothing wakes but its own departures. */
import { describe, expect, it } from 'vitest'
import {
  doorbellWord, HISTOGRAM_BUCKETS, HistogramWriter, SleepMark, TO_FAST_STOP, workerHistogramBase,
} from '../../lib/memif/index.js'
import { closeFd, EventFd, nowUs, socketPair, SpinPolicy, TimerFd } from '../../native/index.js'
import { ControlSocketSource } from '../../service/fast/appsource.js'
import { runLoop } from '../../service/fast/loop.js'
import { FastHarness } from './harness.js'

const SEGMENTS = 20
const MSS = 1_460
/** 1,500 bytes at 4 Mbit/s. */
const RATE_KBPS = 4_000
const SEGMENT_US = 3_000
/** A worker that slept for good would hang the test: a timer wakes it then. */
const PATIENCE_US = 10_000_000

/** Runs the loop until everything is sent. Returns when each segment left, and how often pauses were asked for. */
function run(h: FastHarness, spinUs: number): { readonly times: number[]; readonly looks: number } {
  const [own, others] = socketPair()
  const guard = new TimerFd()
  const times: number[] = []
  const { receive, transmit } = h.port
  const endUs = nowUs() + PATIENCE_US
  let hasStopped = false
  let looks = 0
  const stop = (): void => {
    if (!hasStopped) h.command(TO_FAST_STOP)
    hasStopped = true
  }
  h.port.receive = () => {
    if (nowUs() > endUs) stop()
    return receive.call(h.port)
  }
  h.port.transmit = (first, count) => {
    for (let i = 0; i < count; i++) times.push(nowUs())
    if (times.length === SEGMENTS) stop()
    return transmit.call(h.port, first, count)
  }
  guard.arm(PATIENCE_US)
  runLoop({
    worker: h.worker, policy: new SpinPolicy(spinUs), mark: new SleepMark(h.doorbells, doorbellWord(0)), wake: new EventFd(guard.fd),
    source: new ControlSocketSource(own, { workers: 1, kinBytes: 1024, koutBytes: 1024, fastEntries: 8 }),
    portFd: -1, controlFd: own, mayBlock: true, callsForHelp: false, placement: null,
    passes: new HistogramWriter(h.counters, workerHistogramBase(0, 'passUs')), collectPauses: () => void looks++,
  })
  guard.close()
  closeFd(own)
  closeFd(others)
  return { times, looks }
}

describe('loop of a worker with a paced flow', () => {
  for (const spinUs of [0, 50]) {
    it(`nothing comes from outside, spinning for ${spinUs} us -> every segment leaves, none before its time`, () => {
      const h = new FastHarness()
      h.nowUs = Math.floor(nowUs())
      h.addFlow({ mss: MSS, rateKbps: RATE_KBPS, toSend: (SEGMENTS + 1) * MSS })
      // One has left already.
      expect(h.sent().length).toBe(1)
      const before = h.count('busyPasses')
      const { times, looks } = run(h, spinUs)
      expect(times.length).toBe(SEGMENTS)
      times.forEach((timeUs, i) => expect(timeUs).toBeGreaterThanOrEqual(h.nowUs + (i + 1) * SEGMENT_US))
      expect(h.count('sleeps')).toBeGreaterThan(0)
      const base = workerHistogramBase(0, 'passUs')
      expect(h.counters.slice(base, base + HISTOGRAM_BUCKETS).reduce((sum, count) => sum + count)).toBe(h.count('busyPasses') - before)
      expect(looks).toBeGreaterThan(0)
      expect(h.worker.departureWaitUs(Math.floor(nowUs()) | 0)).toBe(-1)
    })
  }
})
