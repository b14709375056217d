/** Whole hosts under every congestion control, through a bottleneck that marks and drops: all data arrives. */
import { describe, expect, it } from 'vitest'
import { CONGESTION_CONTROLS, TCB_ECN_BYTES, TCB_WORDS, type CongestionControl } from '../../lib/memif/index.js'
import { DEFAULT_CONGESTION, DEFAULT_DCTCP, DEFAULT_TCP, type CongestionConfig, type EcnMode } from '../../service/slow/config.js'
import { SimHost } from './host.js'
import { GOOD_LINK, SimNetwork } from './network.js'
import { CLIENT_IP, MINUTE_US, SERVER_IP } from './scene.js'
import { Side } from './stream.js'
import { listConnections } from '../connectionlist.js'

const PORT = 80
const BYTES = 3_000_000
/** 200 Mbit/s: a packet takes 60 us; marked from 20 packets on, dropped from 100 on. */
const BOTTLENECK = { ...GOOD_LINK, rateKbps: 200_000, delayUs: 50, ecn: { packets: 20, bytes: Infinity }, queue: { packets: 100, bytes: Infinity } }

interface Scene {
  readonly net: SimNetwork
  readonly client: SimHost
  readonly server: SimHost
  readonly calling: Side
  readonly serving: Side
}

function transfer(seed: number, cc: Partial<CongestionConfig>, ecn: EcnMode = 'auto', delayUs = BOTTLENECK.delayUs): Scene {
  const net = new SimNetwork(seed)
  const config = {
    tcp: { ...DEFAULT_TCP, rxBufLen: 1 << 17, txBufLen: 1 << 17, rxBufMax: 1 << 20, txBufMax: 1 << 20, ecn }, cc: { ...DEFAULT_CONGESTION, ...cc },
  }
  const server = new SimHost(net, { ip: SERVER_IP, regionBytes: 1 << 25, config, flows: 8 })
  const client = new SimHost(net, { ip: CLIENT_IP, regionBytes: 1 << 25, config, flows: 8 })
  const serving = new Side(server.connectApp('server').tas.createContext(), 0)
  const calling = new Side(client.connectApp('client').tas.createContext(), BYTES)
  for (const [host, side] of [[server, serving], [client, calling]] as const) {
    const step = host.step.bind(host)
    host.step = (nowUs) => step(nowUs) + side.step()
  }
  serving.listen(PORT)
  net.run(() => false, 1000)
  net.faults = { ...BOTTLENECK, delayUs }
  calling.connect(SERVER_IP, PORT)
  return { net, client, server, calling, serving }
}

function inForce({ client, net }: Scene): string {
  const [row] = listConnections(client.slow, net.nowUs)
  return CONGESTION_CONTROLS[row?.congestion ?? -1]
}

/** Runs until the stream is through. Returns microseconds. */
function finish({ net, calling, serving, client }: Scene): number {
  const start = net.nowUs
  expect(net.run(() => serving.closed && calling.closed, 10 * MINUTE_US)).toBe(true)
  expect([serving.status, calling.status, serving.received]).toEqual([0, 0, BYTES])
  const took = net.nowUs - start
  net.faults = GOOD_LINK
  net.run(() => false, 5 * MINUTE_US)
  expect(client.slow.nextDeadlineUs()).toBe(Infinity)
  return took
}

describe('a bottleneck that marks', () => {
  it.each([
    ['dctcp-rate', 'dctcp-rate'], ['dctcp-win', 'dctcp-win'], ['timely', 'timely'], ['const-rate', 'const-rate'], ['cubic', 'cubic'], ['reno', 'reno'],
  ] as [CongestionControl, string][])('%s -> all data arrives, no slower than at the least rate', (algorithm, expected) => {
    const scene = transfer(1, { algorithm, constRateKbps: 150_000 })
    scene.net.run(() => scene.serving.received > BYTES / 2, MINUTE_US)
    expect(inForce(scene)).toBe(expected)
    const tookUs = finish(scene)
    // Half of 3 MB takes 60 ms at 200 Mbit/s, 1.2 s at the least rate of 10 Mbit/s.
    expect(tookUs).toBeLessThan(2_000_000)
  })

  it('dctcp-rate -> marks are answered before the queue is full: nothing is dropped and nothing sent again', () => {
    const scene = transfer(2, { algorithm: 'dctcp-rate', dctcp: { ...DEFAULT_DCTCP, minPackets: 10 } })
    scene.net.run(() => scene.serving.received > BYTES / 2, MINUTE_US)
    const tcb = scene.client.state.tcbWord + (scene.calling.connection?.flow ?? 0) * TCB_WORDS
    expect(scene.client.state.words[tcb + TCB_ECN_BYTES]).toBeGreaterThan(0)
    const tookUs = finish(scene)
    expect(scene.net.counters(scene.client)).toMatchObject({ droppedQueue: 0 })
    expect(scene.client.slowCount('retransmittedBytes')).toBe(0)
    expect(tookUs).toBeLessThan(1_000_000)
  })

  it.each([['ECN refused', 'off', 50], ['a long path', 'auto', 20_000]] as const)('dctcp-rate, %s -> cubic has the flow, all data arrives', (_, ecn, delayUs) => {
    const scene = transfer(3, {}, ecn, delayUs)
    scene.net.run(() => scene.serving.received > BYTES / 4, MINUTE_US)
    expect(inForce(scene)).toBe('cubic')
    finish(scene)
  })

  it('chosen by the connection -> in force on it', () => {
    const scene = transfer(4, { algorithm: 'cubic' })
    scene.net.run(() => scene.serving.received > 100_000, MINUTE_US)
    scene.calling.connection?.setOption('congestionControl', 'reno')
    scene.net.run(() => scene.serving.received > 200_000, MINUTE_US)
    expect(inForce(scene)).toBe('reno')
    finish(scene)
  })
})
