/** Paced connections between two hosts: the worker sleeps from departure to departure, and TCP goes on around it. */
import { describe, expect, it } from 'vitest'
import { FLAG_PACED, FLOW_OWNED, TCB_FLAGS, TCB_RATE_KBPS, TCB_STATE_U8, TCB_WORDS } from '../../lib/memif/index.js'
import { DEFAULT_CONGESTION } from '../../service/slow/config.js'
import type { SimHost } from './host.js'
import { GOOD_LINK } from './network.js'
import type { Transfer } from './programs.js'
import { expectNothingLeft, listen, MINUTE_US, SERVER_IP, start, twoHosts, type Running, type TwoHosts } from './scene.js'

const PORT = 80
const RATE_KBPS = 8_000
/** 1,500 bytes at 8 Mbit/s. */
const SEGMENT_US = 1_500

/** TCBs that the worker of `host` owns. */
function tcbs({ state: { bytes, tcbWord, shape } }: SimHost): number[] {
  const all = Array.from({ length: shape.flows }, (_, flow) => tcbWord + flow * TCB_WORDS)
  return all.filter((tcb) => bytes[tcb * 4 + TCB_STATE_U8] === FLOW_OWNED)
}

/** All connections of `host` get a rate; a new worker finds it in their TCBs. */
function pace(host: SimHost, rateKbps: number): void {
  for (const tcb of tcbs(host)) host.state.words[tcb + TCB_RATE_KBPS] = rateKbps
  host.replaceWorker()
}

/** When the client's full segments left. */
function watchDepartures({ net, client }: TwoHosts): number[] {
  const times: number[] = []
  net.onFrame = (host, frame) => {
    if (host === client && frame.length > 1_400) times.push(net.nowUs)
  }
  return times
}

interface Scene {
  readonly hosts: TwoHosts
  readonly serving: Running
  readonly calling: Running
  readonly request: Uint8Array
  readonly call: Transfer
}

/** A client that has connected to a server and is about to send `request`. */
function connected(seed: number, lenBytes: number): Scene {
  // Any other congestion control would write a rate of its own, or none.
  const cc = { ...DEFAULT_CONGESTION, algorithm: 'const-rate', constRateKbps: RATE_KBPS } as const
  const hosts = twoHosts(seed, { bufLen: 1 << 16 }, { config: { cc } })
  const { net, client } = hosts
  const serving = start(hosts.server, 'server')
  const calling = start(client, 'client')
  listen(hosts, serving, PORT, () => Uint8Array.of(1, 2, 3))
  const request = net.random.bytes(lenBytes)
  const call = calling.program.connect(SERVER_IP, PORT, request)
  net.run(() => client.fastCount('flows') === 1, 1_000_000)
  return { hosts, serving, calling, request, call }
}

describe('paced connection', () => {
  it('a request of 300 kB at 8 Mbit/s -> a segment each 1.5 ms, to the microsecond, and nobody wakes in between', () => {
    const { hosts, serving, calling, request, call } = connected(1, 300_000)
    const times = watchDepartures(hosts)
    pace(hosts.client, RATE_KBPS)
    const { moments } = hosts.net.progress
    expect(hosts.net.run(() => call.closed, MINUTE_US)).toBe(true)
    expect(Buffer.compare(Uint8Array.from([...serving.program.transfers.values()][0].received), request)).toBe(0)
    // The first have been sent before, or are credit.
    const gaps = times.slice(1).map((time, i) => time - times[i])
    const paced = gaps.slice(gaps.indexOf(SEGMENT_US))
    expect(paced.length).toBeGreaterThan(150)
    expect(paced.filter((gap) => gap !== SEGMENT_US).length).toBeLessThanOrEqual(1)
    // Departure, arrival, acknowledgment, and what the slow paths' timers are worth.
    expect(hosts.net.progress.moments - moments).toBeLessThan(5 * times.length)
    expectNothingLeft(hosts, [[hosts.server, serving], [hosts.client, calling]])
  })

  it('a lossy, reordering link; the worker dies again and again -> everything arrives', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { hosts, serving, calling, request, call } = connected(seed, 60_000)
      hosts.net.faults = { ...GOOD_LINK, loss: 0.05, reorder: 0.1, reorderUs: 3_000, delayUs: 500 }
      pace(hosts.client, RATE_KBPS)
      for (let i = 0; i < 5; i++) {
        hosts.net.run(() => false, 9_000)
        const paced = tcbs(hosts.client).filter((tcb) => (hosts.client.state.words[tcb + TCB_FLAGS] & FLAG_PACED) !== 0)
        expect([seed, i, paced.length]).toEqual([seed, i, 1])
        hosts.client.replaceWorker()
      }
      expect([seed, hosts.net.run(() => call.closed, 5 * MINUTE_US)]).toEqual([seed, true])
      expect([seed, Buffer.compare(Uint8Array.from([...serving.program.transfers.values()][0].received), request)]).toEqual([seed, 0])
      expectNothingLeft(hosts, [[hosts.server, serving], [hosts.client, calling]])
    }
  })

  it('nothing to send -> no deadline of the worker’s', () => {
    const { hosts, calling, call } = connected(3, 20_000)
    pace(hosts.client, RATE_KBPS)
    expect(hosts.net.run(() => call.closed, MINUTE_US)).toBe(true)
    calling.hang()
    hosts.net.run(() => false, 5 * MINUTE_US)
    expect(hosts.client.nextDeadlineUs()).toBe(Infinity)
  })
})
