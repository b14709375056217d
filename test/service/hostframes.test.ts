import { describe, expect, it } from 'vitest'
import {
  addPseudoHeader, checksum, emitIpv4, emitTcp, ETHERNET_HEADER_BYTES, ETHERTYPE_IPV4, foldChecksum, NO_OPTIONS, parseIpv4, parseTcp,
  PROTOCOL_TCP, PROTOCOL_UDP, TCP_ACK, TCP_CWR, TCP_FIN, TCP_PSH, tcpChecksumGood, writeU16,
} from '../../lib/wire/index.js'
import { RX_CHECKSUM_GOOD, RX_CHECKSUM_PARTIAL } from '../../native/index.js'
import { emitForHost } from '../../service/hostframes.js'

const IP_AT = ETHERNET_HEADER_BYTES
const L4_AT = IP_AT + 20
const SOURCE = 0x0a000001
const TARGET = 0x0a000002

function makeFrame(protocol: number, l4Len: number): Uint8Array {
  const frame = new Uint8Array(L4_AT + l4Len)
  writeU16(frame, 12, ETHERTYPE_IPV4)
  emitIpv4(frame, IP_AT, { sourceIp: SOURCE, targetIp: TARGET, protocol, ttl: 64, tos: 0, payloadLen: l4Len })
  return frame
}

function makeTcp(payloadLen: number, flags: number): Uint8Array {
  const frame = makeFrame(PROTOCOL_TCP, 20 + payloadLen)
  emitTcp(frame, L4_AT, { sourcePort: 1, targetPort: 2, seq: 0xfffffff0 | 0, ack: 5, flags, window: 9, urgent: 0, options: NO_OPTIONS })
  for (let i = 0; i < payloadLen; i++) frame[L4_AT + 20 + i] = i
  writeU16(frame, L4_AT + 16, ~foldChecksum(addPseudoHeader(0, SOURCE, TARGET, PROTOCOL_TCP, 20 + payloadLen)) & 0xffff)
  return frame
}

function emitted(frame: Uint8Array, gso: number, flags: number): { frames: Uint8Array[]; taken: boolean } {
  const frames: Uint8Array[] = []
  const taken = emitForHost(frame, frame.length, gso, flags, (bytes, len) => frames.push(bytes.slice(0, len)) > 0)
  return { frames, taken }
}

describe('frames for the host kernel', () => {
  it('complete frame -> as it is', () => {
    const frame = makeTcp(10, TCP_ACK)
    expect(emitted(frame, 0, RX_CHECKSUM_GOOD).frames).toEqual([frame])
  })

  it('partial checksum, TCP -> completed, the original untouched', () => {
    const frame = makeTcp(11, TCP_ACK)
    const before = frame.slice()
    const { frames: [out] } = emitted(frame, 0, RX_CHECKSUM_PARTIAL)
    expect(tcpChecksumGood(out, L4_AT, 31, SOURCE, TARGET)).toBe(true)
    expect(frame).toEqual(before)
  })

  it('partial checksum, UDP -> completed', () => {
    const frame = makeFrame(PROTOCOL_UDP, 12)
    writeU16(frame, L4_AT + 4, 12)
    const pseudo = addPseudoHeader(0, SOURCE, TARGET, PROTOCOL_UDP, 12)
    writeU16(frame, L4_AT + 6, ~foldChecksum(pseudo) & 0xffff)
    const { frames: [out] } = emitted(frame, 0, RX_CHECKSUM_PARTIAL)
    let sum = pseudo
    for (let i = 0; i < 12; i += 2) sum += (out[L4_AT + i] << 8) | out[L4_AT + i + 1]
    expect(foldChecksum(sum)).toBe(0)
  })

  it('merged segments -> cut, sequence numbers, ids, flags and checksums right', () => {
    const { frames, taken } = emitted(makeTcp(250, TCP_ACK | TCP_PSH | TCP_FIN | TCP_CWR), 100, RX_CHECKSUM_PARTIAL)
    expect(taken).toBe(true)
    expect(frames.map((frame) => frame.length - L4_AT - 20)).toEqual([100, 100, 50])
    expect(frames.map((frame) => parseTcp(frame, L4_AT, frame.length - L4_AT)?.seq)).toEqual([-16, 84, 184])
    expect(frames.map((frame) => frame[L4_AT + 13])).toEqual([TCP_ACK | TCP_CWR, TCP_ACK, TCP_ACK | TCP_PSH | TCP_FIN])
    const payload = frames.flatMap((frame) => [...frame.subarray(L4_AT + 20)])
    expect(payload).toEqual(Array.from({ length: 250 }, (_, i) => i))
    for (const frame of frames) {
      expect(parseIpv4(frame, IP_AT)).not.toBeNull()
      expect(checksum(frame, IP_AT, 20)).toBe(0)
      expect(tcpChecksumGood(frame, L4_AT, frame.length - L4_AT, SOURCE, TARGET)).toBe(true)
    }
  })

  it.each([
    ['UDP', makeFrame(PROTOCOL_UDP, 100)], ['no IP', new Uint8Array(60)], ['header cut off', makeTcp(0, TCP_ACK).subarray(0, L4_AT + 18)],
  ])('merged frame that cannot be cut (%s) -> dropped', (_what, frame) => {
    expect(emitted(frame, 50, RX_CHECKSUM_PARTIAL)).toEqual({ frames: [], taken: false })
  })
})
