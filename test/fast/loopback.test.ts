/** Flows whose peer is a flow of the same worker: frames go by the loop port, never by the worker's port. */
import { describe, expect, it } from 'vitest'
import {
  FLAG_FIN_ACKED, FLAG_FIN_RECEIVED, FLAG_RX_SHUT, FLOW_HANDED, FLOW_OWNED, TCB_BUFFER, TCB_FLAGS, TCB_RCV_NXT,
  TCB_SND_MAX, TCB_SND_UNA, TCB_STATE_U8, TO_FAST_FLOW_PROBE, TO_FAST_FLOW_REMOVE, TO_FAST_FLOW_RX_SHUT, TO_SLOW_FLOW_REMOVED,
  TO_SLOW_PACKET,
} from '../../lib/memif/index.js'
import { RX_CHECKSUM_GOOD } from '../../native/port.js'
import { IRS1, ISS1 } from './frames.js'
import { FastHarness, type FlowOptions } from './harness.js'

const PORTS = { localPort: 5000, remotePort: 6000 }
const MIRRORED = { localPort: 6000, remotePort: 5000 }

/** Two flows that are each other's peer. */
function pair(h: FastHarness, options: FlowOptions = {}): { a: number; b: number } {
  const a = h.addFlow({ ...options, loopback: PORTS })
  const b = h.addFlow({ ...options, irs1: ISS1, iss1: IRS1, loopback: MIRRORED })
  h.told()
  return { a, b }
}

/** Passes until there is nothing to do. Returns how many. */
function rest(h: FastHarness): number {
  let passes = 0
  while (h.pass() > 0) if (++passes > 100) throw new Error('the worker does not come to rest')
  h.worker.flushDelayedAcks()
  if (h.worker.hasWork()) return passes + rest(h)
  return passes
}

const bytes = (len: number, seed = 1): Uint8Array => Uint8Array.from({ length: len }, (_, i) => (i * 7 + (i >> 8) + seed) & 0xff)

describe('loopback', () => {
  it('data -> in the other buffer, acknowledged, and not on the port', () => {
    const h = new FastHarness()
    const { a, b } = pair(h)
    h.write(a, bytes(9_000))
    rest(h)
    expect(h.received(b, ISS1, 9_000)).toEqual(bytes(9_000))
    expect([h.word(b, TCB_RCV_NXT), h.word(a, TCB_SND_UNA)]).toEqual([ISS1 + 9_000, ISS1 + 9_000])
    expect([h.sent(), h.count('txPackets'), h.count('rxPackets'), h.count('dropMalformed')]).toEqual([[], 0, 0, 0])
    expect(h.count('loopBytes')).toBeGreaterThan(9_000)
  })

  it.each([false, true])('the port can merge segments: %s -> super-segments here in either case', (offload) => {
    const h = new FastHarness({ offload })
    const { a, b } = pair(h, { rxLog2: 16, txLog2: 16 })
    h.write(a, bytes(60_000))
    rest(h)
    expect(h.received(b, ISS1, 60_000)).toEqual(bytes(60_000))
    // One for the data, one for its acknowledgment, perhaps one for the window.
    expect(h.count('loopPackets')).toBeLessThanOrEqual(3)
  })

  it('buffers that wrap on both sides -> every byte', () => {
    const h = new FastHarness()
    const { a, b } = pair(h, { rxLog2: 13, txLog2: 12 })
    let at = 0
    for (let i = 0; i < 40; i++) {
      const part = bytes(3_001, i)
      h.write(a, part)
      rest(h)
      expect(h.received(b, ISS1 + at, part.length)).toEqual(part)
      at += part.length
      h.bump(b, { read: ISS1 + at })
      rest(h)
    }
  })

  it('both directions and both FINs -> received and acknowledged', () => {
    const h = new FastHarness()
    const { a, b } = pair(h)
    h.write(a, bytes(2_000, 1), { fin: true })
    h.write(b, bytes(3_000, 2), { fin: true })
    rest(h)
    expect([h.received(b, ISS1, 2_000), h.received(a, IRS1, 3_000)]).toEqual([bytes(2_000, 1), bytes(3_000, 2)])
    for (const flow of [a, b]) {
      expect(h.word(flow, TCB_FLAGS) & (FLAG_FIN_RECEIVED | FLAG_FIN_ACKED)).toBe(FLAG_FIN_RECEIVED | FLAG_FIN_ACKED)
    }
  })

  it('a flow that is its own peer -> reads what it writes', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ irs1: ISS1, loopback: { localPort: 7000, remotePort: 7000 } })
    h.write(flow, bytes(4_000))
    rest(h)
    expect(h.received(flow, ISS1, 4_000)).toEqual(bytes(4_000))
    expect(h.word(flow, TCB_SND_UNA)).toBe(ISS1 + 4_000)
  })

  it('beside flows of the network -> each frame its own way, in order', () => {
    const h = new FastHarness()
    const { a, b } = pair(h)
    const out = [h.addFlow(), h.addFlow()]
    h.write(out[0], bytes(5_000, 3))
    h.write(a, bytes(5_000, 4))
    h.write(out[1], bytes(5_000, 5))
    rest(h)
    expect(h.received(b, ISS1, 5_000)).toEqual(bytes(5_000, 4))
    const sent = h.sent()
    for (const [i, seed] of [[0, 3], [1, 5]]) {
      const mine = sent.filter(({ targetPort }) => targetPort === 40000 + out[i])
      expect(mine.map(({ seq }) => seq - ISS1)).toEqual([0, 1448, 2896, 4344])
      expect(Buffer.concat(mine.map(({ data }) => data))).toEqual(Buffer.from(bytes(5_000, seed)))
    }
    expect(sent).toHaveLength(8)
  })

  it('the port is full -> goes on all the same', () => {
    const h = new FastHarness()
    const { a, b } = pair(h)
    const out = h.addFlow()
    const { transmit } = h.port
    h.port.transmit = () => 0
    h.write(out, bytes(5_000, 3))
    for (let i = 0; i < 3; i++) h.pass()
    h.write(a, bytes(9_000, 4))
    for (let i = 0; i < 10; i++) h.pass()
    expect(h.received(b, ISS1, 9_000)).toEqual(bytes(9_000, 4))
    expect(h.sent()).toEqual([])
    h.port.transmit = transmit
    h.pass()
    expect(Buffer.concat(h.sent().map(({ data }) => data))).toEqual(Buffer.from(bytes(5_000, 3)))
  })

  it('frames wait -> a pass is not idle, a worker does not sleep; then it does', () => {
    const h = new FastHarness()
    const { a } = pair(h)
    h.write(a, bytes(100))
    expect([h.pass() > 0, h.worker.hasWork()]).toEqual([true, true])
    expect(h.pass()).toBeGreaterThan(0)
    rest(h)
    expect([h.pass(), h.worker.hasWork(), h.worker.stalled]).toEqual([0, false, false])
  })

  it('a frame from the network with our address as source -> dropped (RFC 1122, 3.2.1.3)', () => {
    const h = new FastHarness()
    const { a, b } = pair(h)
    h.write(a, bytes(50))
    rest(h)
    const before = [h.word(b, TCB_RCV_NXT), h.word(b, TCB_SND_MAX)]
    const spoofed = h.frame({ seq: ISS1 + 50, ack: IRS1, data: 'evil', fromUs: MIRRORED })
    h.port.inject(spoofed, RX_CHECKSUM_GOOD)
    rest(h)
    expect([h.word(b, TCB_RCV_NXT), h.word(b, TCB_SND_MAX)]).toEqual(before)
  })

  it('data for a flow that is shut -> the slow path gets the whole frame', () => {
    const h = new FastHarness()
    const { a, b } = pair(h)
    h.command(TO_FAST_FLOW_RX_SHUT, { flow: b })
    h.pass()
    expect(h.word(b, TCB_FLAGS) & FLAG_RX_SHUT).toBe(FLAG_RX_SHUT)
    h.write(a, bytes(700))
    rest(h)
    const [packet] = h.toldPackets()
    expect([packet.type, packet.flow]).toEqual([TO_SLOW_PACKET, b])
    expect(packet.bytes.slice(54)).toEqual(bytes(700))
  })

  it.each([[65535, 3_000], [0, 1]])('window %i, the sender is removed with frames under way -> %i bytes are copied before it ends', (sndWnd, len) => {
    const h = new FastHarness()
    const { a, b } = pair(h, { sndWnd })
    h.write(a, bytes(3_000))
    h.pass()
    h.command(TO_FAST_FLOW_PROBE, { flow: a })
    h.command(TO_FAST_FLOW_REMOVE, { flow: a })
    h.pass()
    expect(h.told().some(({ type }) => type === TO_SLOW_FLOW_REMOVED)).toBe(true)
    expect(h.state.bytes[h.tcb(a) * 4 + TCB_STATE_U8]).toBe(FLOW_HANDED)
    // From here on the buffer may be somebody else's.
    const start = h.state.words[h.tcb(a) + TCB_BUFFER] * 64
    h.appBytes.fill(0xee, start, start + (1 << 15))
    rest(h)
    expect(h.word(b, TCB_RCV_NXT)).toBe(ISS1 + len)
    expect(h.received(b, ISS1, len)).toEqual(bytes(3_000).subarray(0, len))
    expect(h.state.bytes[h.tcb(b) * 4 + TCB_STATE_U8]).toBe(FLOW_OWNED)
  })
})
