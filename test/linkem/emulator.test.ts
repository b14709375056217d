import { describe, expect, it } from 'vitest'
import * as wire from '../../lib/wire/index.js'
import {
  countersText, type DirectionOptions, directionOptions, Emulator, FramePool, MemoryWire, PcapngWriter, parseOptions, readyLine,
} from '../../tools/linkem/index.js'
import { fragmentationNeeded } from '../../tools/linkem/icmp.js'
import { frameOf, IP_A, IP_AT, IP_B, MAC_A, MAC_B, nthOf, tcpFrame } from './frames.js'

const SLOT_BYTES = 2048

interface Rig {
  readonly emulator: Emulator
  readonly a: MemoryWire
  readonly b: MemoryWire
  readonly pool: FramePool
  /** Frames that left by either side. */
  readonly outA: Uint8Array[]
  readonly outB: Uint8Array[]
}

function rig(ab: Partial<DirectionOptions> = {}, slots = 1000, capture: PcapngWriter | null = null): Rig {
  const pool = new FramePool(slots, SLOT_BYTES)
  const outA: Uint8Array[] = []
  const outB: Uint8Array[] = []
  const a = new MemoryWire(pool, (frame) => outA.push(frame))
  const b = new MemoryWire(pool, (frame) => outB.push(frame))
  const emulator = new Emulator({ a, b, pool, ab: directionOptions(ab), ba: directionOptions({}), seed: 1, capture, captureEpochUs: 5e15 })
  return { emulator, a, b, pool, outA, outB }
}

/** A segment with DF, as `tcpFrame` makes them. */
const DF_FRAME = tcpFrame(1514, 7)

describe('emulator', () => {
  it('frames from either side -> out at the other, the same bytes, memory given back', () => {
    const { emulator, a, b, pool, outA, outB } = rig({ delayUs: 100 })
    for (let i = 0; i < 200; i++) a.inject(tcpFrame(60 + i, i), 1000)
    b.inject(tcpFrame(80, 5), 1000)
    for (let i = 0; i < 5; i++) emulator.step(1050)
    expect(outA.map((frame) => frame.length)).toEqual([80])
    expect(outB).toEqual([])
    expect(emulator.nextDeadlineUs(1050)).toBe(1100)
    emulator.step(1100)
    expect(outB).toEqual(Array.from({ length: 200 }, (_, i) => tcpFrame(60 + i, i)))
    expect(emulator.nextDeadlineUs(1100)).toBe(Infinity)
    expect(pool.room).toBe(1000)
    const { ab, ba } = emulator.counters()
    expect([ab.packets, ab.delivered, ba.delivered]).toEqual([200, 200, 1])
  })

  it('no memory left -> nothing is taken in until there is some, then all comes', () => {
    const { emulator, a, outB } = rig({ delayUs: 100 }, 10)
    for (let i = 0; i < 25; i++) a.inject(tcpFrame(60, i), 0)
    expect(emulator.step(0)).toBe(10)
    expect(emulator.hasRoom).toBe(false)
    expect(emulator.step(50)).toBe(0)
    emulator.step(100)
    for (let now = 200; now < 600; now += 100) emulator.step(now)
    expect(outB.map((bytes) => nthOf(frameOf(bytes)))).toEqual(Array.from({ length: 25 }, (_, i) => i))
  })

  it('duplicates while a burst is taken in -> no frame overwrites another', () => {
    const { emulator, a, pool, outB } = rig({ duplicate: 1 }, 150)
    for (let i = 0; i < 60; i++) a.inject(tcpFrame(60 + i, i), 0)
    emulator.step(0)
    expect(outB).toEqual(Array.from({ length: 60 }, (_, i) => [tcpFrame(60 + i, i), tcpFrame(60 + i, i)]).flat())
    expect(pool.room).toBe(150)
  })

  it('port does not take a frame -> it is kept and goes first', () => {
    const { emulator, a, b, outB } = rig()
    for (let i = 0; i < 5; i++) a.inject(tcpFrame(60, i), 0)
    b.sendRoom = 2
    emulator.step(0)
    expect(outB.length).toBe(2)
    expect(emulator.nextDeadlineUs(0)).toBe(100)
    b.sendRoom = Infinity
    emulator.step(100)
    expect(outB.map((bytes) => nthOf(frameOf(bytes)))).toEqual([0, 1, 2, 3, 4])
  })

  it('longer than a slot -> counted where it came in', () => {
    const { emulator, a } = rig()
    a.inject(new Uint8Array(3000), 0)
    emulator.step(0)
    expect(emulator.counters().ab.tooLong).toBe(1)
  })

  it('other options while packets are under way -> those keep their delay', () => {
    const { emulator, a, outB } = rig({ delayUs: 1000 })
    a.inject(tcpFrame(60, 0), 0)
    emulator.step(0)
    emulator.setOptions(directionOptions({ loss: 1 }), directionOptions({}))
    a.inject(tcpFrame(60, 1), 1)
    emulator.step(1)
    emulator.step(1000)
    expect(outB.map((bytes) => nthOf(frameOf(bytes)))).toEqual([0])
  })

  it('capture -> both sides with what became of each packet', () => {
    const pieces: Uint8Array[] = []
    const { emulator, a } = rig({ loss: 1 }, 10, new PcapngWriter(['a', 'b'], 65_535, (bytes) => pieces.push(bytes.slice()), 'test'))
    a.inject(tcpFrame(60, 0), 10)
    emulator.step(10)
    emulator.setOptions(directionOptions({}), directionOptions({}))
    a.inject(tcpFrame(70, 1), 20)
    emulator.step(20)
    emulator.flush()
    const file = Buffer.concat(pieces)
    expect(file.includes('lost')).toBe(true)
    for (const frame of [tcpFrame(60, 0), tcpFrame(70, 1)]) expect(file.includes(Buffer.from(frame))).toBe(true)
    // One in and lost; one in and one out.
    const after = file.indexOf(Buffer.from(tcpFrame(70, 1)))
    expect(file.indexOf(Buffer.from(tcpFrame(70, 1)), after + 1)).toBeGreaterThan(after)
  })
})

describe('emulator: MTU', () => {
  it('DF and longer than the MTU -> ICMP back to the sender with the MTU (RFC 1191)', () => {
    const { emulator, a, outA, outB, pool } = rig({ mtu: 1400 })
    a.inject(DF_FRAME, 0)
    emulator.step(0)
    expect(outB).toEqual([])
    expect(outA.length).toBe(1)
    const [answer] = outA
    expect(wire.parseEthernet(answer)).toEqual({ target: MAC_A, source: MAC_B, etherType: wire.ETHERTYPE_IPV4 })
    const header = wire.parseIpv4(answer, IP_AT)!
    expect(header).toMatchObject({ sourceIp: IP_B, targetIp: IP_A, protocol: wire.PROTOCOL_ICMP, checksumGood: true })
    const message = wire.parseIcmp(answer, IP_AT + 20, header.payloadLen)!
    expect(message).toMatchObject({ type: 3, code: 4, id: 0, sequence: 1400 })
    expect(message.payload).toEqual(DF_FRAME.subarray(IP_AT, IP_AT + 548))
    expect(answer.length).toBe(IP_AT + 576)
    expect(emulator.counters().ab).toMatchObject({ droppedMtu: 1, icmp: 1 })
    expect(pool.room).toBe(1000)
  })

  it('told not to send ICMP -> dropped in silence', () => {
    const { emulator, a, outA } = rig({ mtu: 1400, icmp: false })
    a.inject(DF_FRAME, 0)
    emulator.step(0)
    expect(outA).toEqual([])
    expect(emulator.counters().ab).toMatchObject({ droppedMtu: 1, icmp: 0 })
  })

  const changed = (change: (frame: Uint8Array) => void): Uint8Array => {
    const frame = DF_FRAME.slice()
    change(frame)
    wire.writeU16(frame, IP_AT + 10, 0)
    wire.writeU16(frame, IP_AT + 10, wire.checksum(frame, IP_AT, 20))
    return frame
  }

  it.each([
    ['without DF', changed((frame) => wire.writeU16(frame, IP_AT + 6, 0))],
    ['a later fragment', changed((frame) => wire.writeU16(frame, IP_AT + 6, 0x4005))],
    ['about an ICMP error', changed((frame) => { frame[IP_AT + 9] = 1; frame[IP_AT + 20] = 3 })],
    ['from nobody', changed((frame) => wire.writeWord(frame, IP_AT + 12, 0))],
    ['to a group', changed((frame) => wire.writeWord(frame, IP_AT + 16, 0xe0000001 | 0))],
    ['by broadcast', changed((frame) => frame.fill(0xff, 0, 6))],
    ['not IPv4', changed((frame) => wire.writeU16(frame, 12, 0x86dd))],
    ['with a wrong checksum', (() => { const frame = DF_FRAME.slice(); frame[IP_AT + 8] ^= 1; return frame })()],
  ] as const)('%s -> no ICMP (RFC 1122, 3.2.2)', (_, frame) => expect(fragmentationNeeded(frame, frame.length, 1400)).toBeNull())

  it('an echo request -> ICMP', () => {
    const frame = changed((bytes) => { bytes[IP_AT + 9] = 1; bytes[IP_AT + 20] = 8 })
    expect(fragmentationNeeded(frame, frame.length, 1400)).not.toBeNull()
  })

  it('a VLAN tag -> comes back with the message', () => {
    const tagged = new Uint8Array(DF_FRAME.length + 4)
    tagged.set(DF_FRAME.subarray(0, 12))
    tagged.set([0x81, 0, 0x20, 5], 12)
    tagged.set(DF_FRAME.subarray(12), 16)
    const answer = fragmentationNeeded(tagged, tagged.length, 1400)!
    expect([...answer.subarray(12, 18)]).toEqual([0x81, 0, 0x20, 5, 8, 0])
    expect(wire.parseIpv4(answer, IP_AT + 4)).toMatchObject({ targetIp: IP_A, checksumGood: true })
  })
})

describe('tas-linkem: what it prints', () => {
  const options = parseOptions(['veth0', 'veth1'])!
  const json = parseOptions(['--json', '--seed=3', 'veth0', 'veth1'])!

  it('ready -> one line', () => {
    expect(readyLine(options)).toBe('ready: veth0 <-> veth1, seed 1')
    expect(JSON.parse(readyLine(json))).toEqual({ event: 'ready', a: 'veth0', b: 'veth1', seed: 3 })
  })

  it('counters -> a table without zeros, or all of them as JSON', () => {
    const { emulator, a } = rig()
    a.inject(tcpFrame(60), 0)
    emulator.step(0)
    expect(countersText(emulator.counters(), options).split('\n').map((line) => line.split(/\s{2,}/))).toEqual([
      ['', 'veth0 -> veth1', 'veth1 -> veth0'], ['packets', '1', '0'], ['bytes', '60', '0'], ['delivered', '1', '0'],
      ['deliveredBytes', '60', '0'],
    ])
    expect(JSON.parse(countersText(emulator.counters(), json))).toMatchObject({ event: 'counters', ab: { packets: 1 }, ba: { overrun: 0 } })
  })
})
