import { describe, expect, it } from 'vitest'
import { OutputPort, type PortOptions, Timeline, transmissionUs } from '../../experiments/engine/index.js'
import { emitIpv4, ETHERNET_HEADER_BYTES, ETHERTYPE_IPV4, IPV4_HEADER_BYTES, PROTOCOL_TCP, writeU16 } from '../../lib/wire/index.js'

const FRAME_BYTES = 1514
const PORT: PortOptions = { rateKbps: 10_000_000, delayUs: 5, queuePackets: 4, markPackets: Infinity }
const TRANSMISSION_US = ((FRAME_BYTES + 24) * 8) / 10_000

/** A full frame with TCP over IPv4; byte 60 names it. */
function frame(name: number, isEcnCapable = true): Uint8Array {
  const bytes = new Uint8Array(FRAME_BYTES)
  writeU16(bytes, 12, ETHERTYPE_IPV4)
  emitIpv4(bytes, ETHERNET_HEADER_BYTES, {
    sourceIp: 1, targetIp: 2, protocol: PROTOCOL_TCP, ttl: 64, tos: isEcnCapable ? 2 : 0, payloadLen: FRAME_BYTES - ETHERNET_HEADER_BYTES - IPV4_HEADER_BYTES,
  })
  bytes[60] = name
  return bytes
}

function scene(options: Partial<PortOptions> = {}): { readonly timeline: Timeline; readonly port: OutputPort; readonly arrived: [number, number, boolean][] } {
  const timeline = new Timeline(0)
  const arrived: [number, number, boolean][] = []
  const port = new OutputPort(timeline, { ...PORT, ...options }, { receive: (bytes, nowUs) => void arrived.push([bytes[60], nowUs, (bytes[15] & 3) === 3]) })
  return { timeline, port, arrived }
}

describe('output port', () => {
  it('a frame -> arrives after its transmission, 24 bytes of the wire included, and the delay', () => {
    const { arrived, port, timeline } = scene()
    port.offer(frame(1), 0)
    timeline.run(100)
    expect(arrived).toEqual([[1, TRANSMISSION_US + 5, false]])
    expect(transmissionUs(FRAME_BYTES, PORT.rateKbps)).toBe(TRANSMISSION_US)
  })

  it('frames at once -> one behind the other; how many wait and how long is known', () => {
    const { arrived, port, timeline } = scene()
    for (let i = 0; i < 3; i++) port.offer(frame(i), 0)
    expect([port.queued(0), port.waitUs(0)]).toEqual([2, 3 * TRANSMISSION_US])
    expect(port.queued(TRANSMISSION_US)).toBe(1)
    timeline.run(100)
    expect(arrived.map(([name, atUs]) => [name, Number(atUs.toFixed(6))])).toEqual([0, 1, 2].map((i) => [i, Number(((i + 1) * TRANSMISSION_US + 5).toFixed(6))]))
  })

  it('queue full -> the next is dropped, the one in transmission not counted', () => {
    const { arrived, port, timeline } = scene()
    for (let i = 0; i < 7; i++) port.offer(frame(i), 0)
    timeline.run(100)
    expect(arrived.map(([name]) => name)).toEqual([0, 1, 2, 3, 4])
    expect([port.dropped, port.sentPackets, port.queueMax]).toEqual([2, 5, 3])
  })

  it('more than K waiting -> marked, if ECN-capable', () => {
    const { arrived, port, timeline } = scene({ queuePackets: 10, markPackets: 2 })
    for (let i = 0; i < 5; i++) port.offer(frame(i), 0)
    port.offer(frame(5, false), 0)
    timeline.run(100)
    expect(arrived.map(([name, , isMarked]) => [name, isMarked])).toEqual([[0, false], [1, false], [2, false], [3, false], [4, true], [5, false]])
    expect(port.marked).toBe(1)
  })

  it('more frames than its ring has places, while some leave -> none is lost or out of order', () => {
    const { arrived, port, timeline } = scene({ queuePackets: 1000 })
    for (let i = 0; i < 250; i++) {
      timeline.run(i * 0.4)
      port.offer(frame(i), i * 0.4)
    }
    timeline.run(1000)
    expect(arrived.map(([name]) => name)).toEqual(Array.from({ length: 250 }, (_, i) => i))
  })
})
