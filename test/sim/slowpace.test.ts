/** Rates at which a segment is due later than a retransmission timeout: nothing is lost while nothing is in flight. */
import { describe, expect, it } from 'vitest'
import { DEFAULT_CONGESTION } from '../../service/slow/config.js'
import { SERVER_IP, listen, MINUTE_US, start, twoHosts } from './scene.js'
import { SimHost } from './host.js'

const PORT = 80
/** A full segment every 600 ms; the timeout is 200 ms. */
const RATE_KBPS = 20
const CLIENT_IP = 0x0a000003

describe('a flow paced more slowly than its retransmission timeout', () => {
  it('20 segments at 20 kbit/s -> no timeout, nothing sent again, and the rate is kept', () => {
    const hosts = twoHosts(1, { bufLen: 1 << 16 })
    const serving = start(hosts.server, 'server')
    listen(hosts, serving, PORT, () => new Uint8Array(0))
    const client = new SimHost(hosts.net, {
      ip: CLIENT_IP, bufLen: 1 << 16, config: { cc: { ...DEFAULT_CONGESTION, algorithm: 'const-rate', constRateKbps: RATE_KBPS } },
    })
    const calling = start(client, 'client')
    const request = hosts.net.random.bytes(20 * 1448)
    const beganUs = hosts.net.nowUs
    const call = calling.program.connect(SERVER_IP, PORT, request)
    expect(hosts.net.run(() => call.closed, 5 * MINUTE_US)).toBe(true)
    expect(Buffer.compare(Uint8Array.from([...serving.program.transfers.values()][0].received), request)).toBe(0)
    expect([client.slowCount('rtoTimeouts'), client.fastCount('retransmits')]).toEqual([0, 0])
    const tookUs = hosts.net.nowUs - beganUs
    expect(tookUs / ((20 * 1500 * 8000) / RATE_KBPS)).toBeGreaterThan(0.9)
    expect(tookUs / ((20 * 1500 * 8000) / RATE_KBPS)).toBeLessThan(1.1)
  })
})
