/** Frames with an 802.1Q tag, which AF_PACKET takes off (RX_VLAN) and other ports leave in the frame. */
import { describe, expect, it } from 'vitest'
import { SF_PACKET_POS, TO_SLOW_PACKET } from '../../lib/memif/index.js'
import { RX_CHECKSUM_GOOD, RX_VLAN } from '../../native/port.js'
import { IRS1, type SegmentOptions } from './frames.js'
import { FastHarness } from './harness.js'

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** A frame of VLAN 5 as it is on the wire. */
function tagged(h: FastHarness, segment: SegmentOptions, type = 0x8100): Uint8Array {
  const frame = h.frame(segment)
  return Uint8Array.of(...frame.subarray(0, 12), type >> 8, type & 0xff, 0, 5, ...frame.subarray(12))
}

describe('without --fp-vlan-strip', () => {
  it('tag taken off by the port -> dropped and counted', () => {
    const h = new FastHarness()
    h.addFlow()
    h.port.inject(h.frame({ data: 'hello' }), RX_CHECKSUM_GOOD | RX_VLAN)
    h.pass()
    expect(h.seen()).toEqual([])
    expect(h.told()).toEqual([])
    expect(h.count('dropNotOurs')).toBe(1)
  })

  it('tag in the frame -> to the slow path as it is: a host kernel may want it', () => {
    const h = new FastHarness()
    h.addFlow()
    const frame = tagged(h, { data: 'hello' })
    h.port.inject(frame, RX_CHECKSUM_GOOD)
    h.pass()
    expect(h.seen()).toEqual([])
    expect(h.told()).toMatchObject([{ type: TO_SLOW_PACKET, flow: -1, len: frame.length }])
  })
})

describe('with --fp-vlan-strip', () => {
  it('tag taken off by the port -> handled as untagged', () => {
    const h = new FastHarness({ vlanStrip: true })
    const flow = h.addFlow()
    h.port.inject(h.frame({ data: 'hello' }), RX_CHECKSUM_GOOD | RX_VLAN)
    h.pass()
    expect(text(h.received(flow, IRS1, 5))).toBe('hello')
  })

  it.each([['verified by the port', RX_CHECKSUM_GOOD], ['to be verified', 0]])(
    'tag in the frame, checksum %s -> handled as untagged', (_, flags) => {
      const h = new FastHarness({ vlanStrip: true })
      const flow = h.addFlow()
      h.port.inject(tagged(h, { data: 'hello' }), flags)
      h.port.inject(h.frame({ seq: IRS1 + 5, data: ' world' }), flags)
      h.pass()
      expect(text(h.received(flow, IRS1, 11))).toBe('hello world')
      expect(h.count('dropChecksum')).toBe(0)
    })

  it('tag in a frame with a bad checksum -> dropped', () => {
    const h = new FastHarness({ vlanStrip: true })
    h.addFlow()
    const frame = tagged(h, { data: 'hello' })
    frame[frame.length - 1] ^= 1
    h.port.inject(frame)
    h.pass()
    expect(h.seen()).toEqual([])
    expect(h.count('dropChecksum')).toBe(1)
  })

  it('unknown flow -> to the slow path without its tag', () => {
    const h = new FastHarness({ vlanStrip: true })
    const plain = h.frame({ data: 'hello' })
    h.port.inject(tagged(h, { data: 'hello' }), RX_CHECKSUM_GOOD)
    h.pass()
    const entry = h.toSlow.peek()
    const at = h.toSlow.areaOffset + h.toSlow.words[entry + SF_PACKET_POS]
    expect([...h.state.bytes.subarray(at, at + plain.length)]).toEqual([...plain])
  })

  it('service tag (802.1ad), tag behind the end, tag within a tag -> nothing wrong is read', () => {
    const h = new FastHarness({ vlanStrip: true })
    h.addFlow()
    h.port.inject(tagged(h, { data: 'hello' }, 0x88a8), RX_CHECKSUM_GOOD)
    h.port.inject(tagged(h, { data: 'hello' }).slice(0, 16), RX_CHECKSUM_GOOD)
    h.port.inject(tagged(h, { data: 'hello' }), RX_CHECKSUM_GOOD | RX_VLAN)
    h.pass()
    expect(h.seen()).toEqual([])
    expect(h.told().every(({ flow }) => flow < 0)).toBe(true)
  })
})
