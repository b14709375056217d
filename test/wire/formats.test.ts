import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as wire from '../../lib/wire/index.js'
import * as captures from './captures.js'

const KERNEL_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1)
const READER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 2)
const KERNEL_IP = 0x0a4d0001
const READER_IP = 0x0a4d0002
const IP_AT = wire.ETHERNET_HEADER_BYTES
const L4_AT = IP_AT + wire.IPV4_HEADER_BYTES

function tcpOf(frame: Uint8Array): wire.TcpParsed {
  const ip = wire.parseIpv4(frame, IP_AT)
  const tcp = ip && wire.parseTcp(frame, L4_AT, ip.payloadLen)
  if (!ip || !tcp) throw new Error('a captured frame did not parse')
  expect(ip.checksumGood).toBe(true)
  expect(wire.tcpChecksumGood(frame, L4_AT, ip.payloadLen, ip.sourceIp, ip.targetIp)).toBe(true)
  return tcp
}

describe('frames captured from Linux', () => {
  it('ARP: request and reply -> read, and written byte for byte', () => {
    for (const [frame, operation] of [[captures.ARP_REQUEST_FRAME, 1], [captures.ARP_REPLY_FRAME, 2]] as const) {
      const packet = wire.parseArp(frame, IP_AT)
      expect(packet).toMatchObject({ operation, senderMac: KERNEL_MAC, senderIp: KERNEL_IP, targetIp: READER_IP })
      const header = wire.parseEthernet(frame)
      const copy = new Uint8Array(frame.length)
      if (header && packet) {
        wire.emitEthernet(copy, header)
        wire.emitArp(copy, IP_AT, packet)
      }
      expect(copy).toEqual(frame)
    }
  })

  it('TCP: SYN -> all options', () => {
    expect(tcpOf(captures.SYN_FRAME)).toMatchObject({
      sourcePort: 53916, targetPort: 8080, seq: 0x68626e2c, ack: 0, flags: wire.TCP_SYN, window: 64240,
        headerLen: 40, payloadLen: 0,
      options: { mss: 1460, windowScale: 10, sackPermitted: true, timestamps: { value: 0xcb8475b0 | 0, echo: 0 } },
    })
  })

  it('TCP: SYN-ACK without timestamps, ACK, data, FIN, RST -> flags, numbers, payload', () => {
    expect(tcpOf(captures.SYN_ACK_FRAME)).toMatchObject({
      seq: 0xc0e6dd56 | 0, ack: 43, flags: wire.TCP_SYN | wire.TCP_ACK,
      options: { mss: 1460, windowScale: 10, sackPermitted: false, timestamps: null },
    })
    expect(tcpOf(captures.ACK_FRAME)).toMatchObject({ ack: 1001, flags: wire.TCP_ACK,
      options: { timestamps: { echo: 777 } } })
    const data = tcpOf(captures.DATA_FRAME)
    expect(new TextDecoder().decode(captures.DATA_FRAME.subarray(data.payloadAt))).toBe('hello, tas')
    expect(tcpOf(captures.FIN_FRAME)).toMatchObject({ seq: data.seq + 10, flags: wire.TCP_FIN | wire.TCP_ACK })
    expect(tcpOf(captures.RST_FRAME)).toMatchObject({ seq: 0, ack: 44, flags: wire.TCP_RST | wire.TCP_ACK })
  })

  it.each(Object.entries(captures.TCP_FRAMES))('TCP: %s emitted from its parsed values -> the same segment',
    (name, frame) => {
    const tcp = tcpOf(frame)
    const copy = new Uint8Array(100)
    const headerLen = wire.emitTcp(copy, 0, tcp)
    copy.set(frame.subarray(tcp.payloadAt), headerLen)
    const len = headerLen + tcp.payloadLen
    wire.fillTcpChecksum(copy, 0, len, KERNEL_IP, READER_IP)
    // Linux packs SACK-permitted into the padding of timestamps, so a SYN comes out longer but means the same.
    if (name === 'SYN_FRAME') expect(wire.parseTcp(copy, 0, len)?.options).toEqual(tcp.options)
    else expect(copy.subarray(0, len)).toEqual(frame.subarray(L4_AT))
  })

  it('ICMP: echo request and reply -> read and written; a wrong checksum -> null', () => {
    for (const frame of [captures.ECHO_REQUEST_FRAME, captures.ECHO_REPLY_FRAME]) {
      const message = wire.parseIcmp(frame, L4_AT, frame.length - L4_AT)
      const copy = frame.slice()
      expect(message && wire.emitIcmp(copy, L4_AT, message)).toBe(frame.length - L4_AT)
      expect(copy).toEqual(frame)
      copy[copy.length - 1] ^= 1
      expect(wire.parseIcmp(copy, L4_AT, frame.length - L4_AT)).toBeNull()
    }
    expect(wire.parseIcmp(captures.ECHO_REPLY_FRAME, L4_AT, 11)).toMatchObject({ type: 0, id: 0x77, sequence: 3 })
    expect(wire.parseEthernet(captures.SYN_FRAME)).toEqual({ target: READER_MAC, source: KERNEL_MAC, etherType: 0x0800 })
  })
})

describe('malformed bytes', () => {
  const withOptions = (...options: number[]): Uint8Array => {
    const bytes = new Uint8Array(20 + options.length)
    bytes[12] = (bytes.length / 4) << 4
    bytes.set(options, 20)
    return bytes
  }

  it.each([
    ['an MSS option of 3 bytes', [2, 3, 5, 0]],
    ['an option of length 0', [30, 0, 0, 0]],
    ['an option of length 1', [30, 1, 0, 0]],
    ['an option longer than the header', [8, 10, 0, 0]],
    ['an option without its length', [1, 1, 1, 8]],
    ['a SACK option without a block', [5, 2, 1, 1]],
  ])('TCP: %s -> null', (_name, options) => {
    expect(wire.parseTcp(withOptions(...options), 0, 24)).toBeNull()
  })

  it('TCP: a SACK option with half a block -> null', () => {
    expect(wire.parseTcp(withOptions(5, 6, 0, 0, 0, 1, 1, 1), 0, 28)).toBeNull()
  })

  it('TCP: an unknown option -> skipped; END stops; a shift over 14 -> 14 (RFC 7323, 2.3)', () => {
    expect(wire.parseTcp(withOptions(30, 4, 9, 9, 2, 4, 5, 180), 0, 28)?.options.mss).toBe(1460)
    expect(wire.parseTcp(withOptions(0, 4, 9, 9, 2, 4, 5, 180), 0, 28)?.options.mss).toBeNull()
    expect(wire.parseTcp(withOptions(1, 3, 3, 20), 0, 24)?.options.windowScale).toBe(14)
  })

  it('IPv4: wrong version, short header, impossible lengths -> null; fragment and bad checksum -> said', () => {
    const frame = captures.ACK_FRAME
    const changed = (at: number, value: number): wire.Ipv4Parsed | null => {
      const copy = frame.slice()
      copy[IP_AT + at] = value
      return wire.parseIpv4(copy, IP_AT)
    }
    expect(changed(0, 0x65)).toBeNull()
    expect(changed(0, 0x44)).toBeNull()
    expect(changed(3, 19)).toBeNull()
    expect(changed(2, 1)).toBeNull()
    expect(changed(6, 0x20)?.isFragment).toBe(true)
    expect(changed(8, 63)?.checksumGood).toBe(false)
  })

  it('any captured frame, mutated and cut -> parsed or null, never an exception', () => {
    const frames = Object.values(captures.ALL_FRAMES)
    const mutation = fc.array(fc.tuple(fc.nat(100), fc.integer({ min: 0, max: 255 })), { maxLength: 6 })
    fc.assert(fc.property(fc.constantFrom(...frames), mutation, fc.nat(100), (original, changes, length) => {
      const frame = original.slice(0, length)
      for (const [at, value] of changes) if (at < frame.length) frame[at] = value
      wire.parseEthernet(frame)
      wire.parseArp(frame, IP_AT)
      const ip = wire.parseIpv4(frame, IP_AT)
      if (ip === null) return
      const at = IP_AT + ip.headerLen
      const tcp = wire.parseTcp(frame, at, ip.payloadLen)
      if (tcp) expect(tcp.payloadAt + tcp.payloadLen).toBeLessThanOrEqual(frame.length)
      wire.parseIcmp(frame, at, ip.payloadLen)
    }))
  })
})

describe('round trips', () => {
  it('TCP: SACK blocks behind timestamps -> 40 bytes of options, read again the same (RFC 2018, 3)', () => {
    const sackBlocks = [{ start: -10, end: 10 }, { start: 0x7fffffff, end: -0x80000000 }, { start: 1, end: 2 }]
    const options = { ...wire.NO_OPTIONS, timestamps: { value: 1, echo: 2 }, sackBlocks }
    const header = { sourcePort: 1, targetPort: 2, seq: 3, ack: 4, flags: wire.TCP_ACK, window: 5, urgent: 0, options }
    const bytes = new Uint8Array(60)
    expect(wire.emitTcp(bytes, 0, header)).toBe(60)
    expect([...bytes.subarray(32, 40)]).toEqual([1, 1, 5, 26, 0xff, 0xff, 0xff, 0xf6])
    expect(wire.parseTcp(bytes, 0, 60)?.options).toEqual(options)
  })

  it('TCP: any header -> emitted and read again the same', () => {
    const u16 = fc.integer({ min: 0, max: 0xffff })
    const word = fc.integer({ min: -0x80000000, max: 0x7fffffff })
    const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null })
    const header = fc.record({
      sourcePort: u16, targetPort: u16, seq: word, ack: word, flags: fc.integer({ min: 0, max: 255 }),
        window: u16, urgent: u16,
      options: fc.record({
        mss: maybe(u16), windowScale: maybe(fc.integer({ min: 0, max: 14 })), sackPermitted: fc.boolean(),
        timestamps: maybe(fc.record({ value: word, echo: word })),
      }),
    })
    fc.assert(fc.property(header, (value) => {
      const bytes = new Uint8Array(60)
      const len = wire.emitTcp(bytes, 0, value)
      expect(wire.parseTcp(bytes, 0, len)).toMatchObject(value)
    }))
  })
})
