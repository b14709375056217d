/** Header fuzzing: every parser of bytes from the network, given sound packets that were changed, and noise. */
import * as wire from '../../../lib/wire/index.js'
import { parseSegment, Segment } from '../../../service/fast/segment.js'
import { Reassembly, REASSEMBLY_LIMITS } from '../../../service/slow/fragments.js'
import { Stats } from '../../../service/slow/stats.js'
import { Timers } from '../../../service/slow/timers.js'
import { COUNTERS_BYTES } from '../../../lib/memif/index.js'
import type { Draw } from '../seeds/draw.js'

const IP_AT = wire.ETHERNET_HEADER_BYTES
const TCP_AT = IP_AT + wire.IPV4_HEADER_BYTES
/** Frames of one round. */
const FRAMES = 200
/** Where frames stand in the memory of the fast parser: IP headers are aligned, and something else is around. */
const SLOT_AT = 18
const SLOT_BYTES = 4096
/** Odd, so that no byte of a frame is by chance as it was. */
const AROUND = 0xa5

/** A sound segment with options of every kind. */
function soundFrame(draw: Draw): Uint8Array {
  const header: wire.TcpHeader = {
    sourcePort: draw.below(65_536), targetPort: draw.below(65_536), seq: draw.u32() | 0, ack: draw.u32() | 0, flags: draw.below(256),
    window: draw.below(65_536), urgent: 0,
    options: draw.chance(0.5) ? wire.NO_OPTIONS : {
      ...wire.NO_OPTIONS, mss: draw.below(65_536), windowScale: draw.below(15), sackPermitted: true, timestamps: { value: draw.u32() | 0, echo: draw.u32() | 0 },
    },
  }
  const data = draw.bytes(draw.below(100))
  const payloadLen = wire.tcpHeaderLen(header) + data.length
  const frame = new Uint8Array(TCP_AT + payloadLen)
  wire.emitEthernet(frame, { target: draw.bytes(6), source: draw.bytes(6), etherType: wire.ETHERTYPE_IPV4 })
  wire.emitIpv4(frame, IP_AT, { sourceIp: draw.u32() | 0, targetIp: draw.u32() | 0, protocol: draw.pick([6, 6, 6, 1]), ttl: 64, tos: 0, payloadLen })
  frame.set(data, wire.emitTcp(frame, TCP_AT, header))
  return frame
}

/** The same with a source route in its IP header. */
function routedFrame(draw: Draw): Uint8Array {
  const plain = soundFrame(draw)
  const route = { isStrict: draw.chance(0.5), hops: Array.from({ length: 1 + draw.below(9) }, () => draw.u32() | 0) }
  const optionBytes = wire.sourceRouteBytes(route)
  const frame = new Uint8Array(plain.length + optionBytes)
  frame.set(plain.subarray(0, TCP_AT))
  wire.emitSourceRoute(frame, TCP_AT, route, draw.u32() | 0)
  frame[TCP_AT + 3] = 4 + 4 * draw.below(route.hops.length + 1)
  frame.set(plain.subarray(TCP_AT), TCP_AT + optionBytes)
  frame[IP_AT] += optionBytes / 4
  wire.writeU16(frame, IP_AT + 2, frame.length - IP_AT)
  return frame
}

/** Bytes changed, its end cut off or garbage behind it, headers longer or shorter than they say, fragments. */
export function mutate(draw: Draw, original: Uint8Array): Uint8Array {
  const cut = draw.chance(0.2) ? draw.below(original.length) : 0
  const frame = new Uint8Array(Math.max(IP_AT, original.length - cut) + (draw.chance(0.2) ? draw.below(60) : 0))
  frame.set(original.subarray(0, Math.min(original.length, frame.length)))
  for (let changes = draw.below(5); changes > 0; changes--) frame[draw.below(Math.min(frame.length, 90))] = draw.below(256)
  const set = (at: number, value: number): void => {
    if (at < frame.length) frame[at] = value
  }
  if (draw.chance(0.2)) set(IP_AT, 0x40 | draw.below(16))
  if (draw.chance(0.2)) set(TCP_AT + 12, draw.below(16) << 4)
  if (draw.chance(0.2)) set(IP_AT + 6, draw.below(64))
  if (draw.chance(0.2)) for (let at = TCP_AT + 20; at < TCP_AT + 60; at++) set(at, draw.pick([0, 1, 2, 3, 4, 5, 8, 255, draw.below(256)]))
  return frame
}

function expectInside(what: string, at: number, len: number, total: number): void {
  if (at < 0 || len < 0 || at + len > total) throw new Error(`${what}: ${len} bytes at ${at} of a frame of ${total}`)
}

/** What the slow path reads of a frame; places and lengths that come out are inside of it. */
function parseSlowly(frame: Uint8Array, reassembly: Reassembly): void {
  wire.parseEthernet(frame)
  wire.parseArp(frame, IP_AT)
  wire.parseQuotedSegment(frame.subarray(IP_AT))
  const ip = wire.parseIpv4(frame, IP_AT)
  if (ip !== null) parseRoute(frame, ip)
  if (ip === null) return
  const at = IP_AT + ip.headerLen
  expectInside('IPv4', at, ip.payloadLen, frame.length)
  const tcp = wire.parseTcp(frame, at, ip.payloadLen)
  if (tcp !== null) expectInside('TCP', tcp.payloadAt, tcp.payloadLen, at + ip.payloadLen)
  wire.parseIcmp(frame, at, ip.payloadLen)
  wire.tcpChecksumGood(frame, at, ip.payloadLen, ip.sourceIp, ip.targetIp)
  if (!ip.isFragment) return
  const whole = reassembly.add(frame, ip)
  if (whole !== null && wire.parseIpv4(whole, IP_AT) === null) throw new Error('reassembly: no datagram')
  if (reassembly.heldBytes > REASSEMBLY_LIMITS.bytes) throw new Error(`reassembly holds ${reassembly.heldBytes} bytes`)
}

/** What is read of a source route must come out of writing its way back again. */
function parseRoute(frame: Uint8Array, { sourceIp }: wire.Ipv4Parsed): void {
  const arrived = wire.readSourceRoute(frame, IP_AT)
  const route = arrived === null || arrived === 'malformed' ? null : wire.returnRoute(arrived, sourceIp)
  if (route === null) return
  const header = new Uint8Array(wire.IPV4_HEADER_BYTES + wire.sourceRouteBytes(route))
  header[0] = 0x40 | (header.length / 4)
  wire.emitSourceRoute(header, wire.IPV4_HEADER_BYTES, route, sourceIp)
  const again = wire.readSourceRoute(header, 0)
  const isSame = again !== null && again !== 'malformed' && again.ahead.join() === [...route.hops.slice(1), sourceIp].join()
  if (!isSame) throw new Error(`source route: way back of ${route.hops.length} hops is read otherwise than it was written`)
}

/** The fast path's parser, in memory that has other things around the frame. What it takes must not depend on them. */
function parseFast(frame: Uint8Array, memory: Uint8Array, words: Int32Array): void {
  const segment = new Segment()
  const results = [AROUND, 0xff].map((around) => {
    memory.fill(around)
    memory.set(frame, SLOT_AT)
    const result = parseSegment(segment, memory, words, SLOT_AT, frame.length)
    return [result, segment.seq, segment.ack, segment.payloadLen, segment.payloadFrom, segment.sackBlocks]
  })
  if (results[0][0] !== results[1][0]) throw new Error(`fast parser: result ${results.join(' and ')} depends on what is behind the frame`)
  if (results[0][0] === 0 && results[0].join() !== results[1].join()) throw new Error('fast parser: fields depend on what is behind the frame')
}

/** One round of frames. Throws for what a parser must not do. Returns how many there were. */
export function fuzzParsers(draw: Draw): number {
  const memory = new Uint8Array(SLOT_BYTES)
  const words = new Int32Array(memory.buffer)
  const timers = new Timers()
  let nowUs = 0
  const reassembly = new Reassembly({
    limits: REASSEMBLY_LIMITS, timers, stats: new Stats(new Float64Array(COUNTERS_BYTES / 8)), nowUs: () => nowUs, timedOut: () => undefined,
  })
  for (let n = 0; n < FRAMES; n++) {
    const frame = draw.chance(0.1) ? draw.bytes(IP_AT + draw.below(200)) : mutate(draw, draw.chance(0.2) ? routedFrame(draw) : soundFrame(draw))
    parseSlowly(frame, reassembly)
    parseFast(frame, memory, words)
  }
  nowUs = 10 * REASSEMBLY_LIMITS.timeoutUs
  timers.run(nowUs, FRAMES)
  if (reassembly.heldBytes !== 0) throw new Error(`reassembly still holds ${reassembly.heldBytes} bytes`)
  return FRAMES
}
