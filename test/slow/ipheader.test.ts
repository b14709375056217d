/** The IP header of what slow path and worker send. */
import { describe, expect, it } from 'vitest'
import { OPTION_TOS, REQ_CONN_CLOSE, REQ_CONN_OPEN, REQ_CONN_OPTION, REQ_LISTEN_OPEN } from '../../lib/memif/index.js'
import { ETHERNET_HEADER_BYTES, parseIpv4 } from '../../lib/wire/index.js'
import { DEFAULT_TCP } from '../../service/slow/index.js'
import { Dialogue } from './dialogue.js'
import { LISTEN_PORT, OUR_IP, parseSent, PEER_IP } from './frames.js'
import type { Host } from './harness.js'
import { CONNECTION, LISTENER, PEER_ISS, REMOTE_PORT, scene, TCP_ACK, TCP_RST, TCP_SYN } from './scenes.js'

const BUF_LEN = 1 << 15

/** IP headers of the SYN-ACK that the slow path sends and of the segment that the worker does. */
function headers(ttl?: number): (ReturnType<typeof parseIpv4>)[] {
  const tcp = { ...DEFAULT_TCP, rxBufLen: BUF_LEN, txBufLen: BUF_LEN, ...(ttl === undefined ? {} : { ttl }) }
  const dialogue = new Dialogue({ config: { tcp } })
  const found: Uint8Array[] = []
  const { net } = dialogue
  const send = net.send.bind(net)
  net.send = (from, frame) => {
    if (frame[12] === 8 && frame[13] === 0) found.push(frame.slice())
    send(from, frame)
  }
  dialogue.play(['established 300 100', 'send 3', 'out <SEQ=300><ACK=100><CTL=ACK><DATA=3>'])
  return found.map((frame) => parseIpv4(frame, ETHERNET_HEADER_BYTES))
}

/** Flags and TOS byte of the segments that the slow path sent. */
function tosSent(host: Host): number[][] {
  return host.frames.map((frame) => [parseSent(frame).flags, parseIpv4(frame, ETHERNET_HEADER_BYTES)?.tos ?? -1])
}

describe('IP header', () => {
  it('--ip-ttl not given -> 64; given -> that, in segments of slow path and worker (RFC 9293, 3.9.2: MUST-49)', () => {
    expect(headers().map((ip) => ip?.ttl)).toEqual([64, 64])
    expect(headers(17).map((ip) => ip?.ttl)).toEqual([17, 17])
  })

  it('a connection -> the same local address in all its segments (RFC 9293, 3.9.1.1: MUST-45)', () => {
    expect(headers().map((ip) => [ip?.sourceIp, ip?.targetIp])).toEqual([[OUR_IP, PEER_IP], [OUR_IP, PEER_IP]])
  })

  it('tos of connect -> in SYN, ACK of the SYN-ACK and RST too (RFC 9293, 3.9.1.1: MUST-48, SHLD-22)', () => {
    const { host, context } = scene()
    context.post(REQ_CONN_OPTION, CONNECTION, { flow: -1, option: OPTION_TOS, value: 0xb8 })
    context.request(REQ_CONN_OPEN, CONNECTION, { remoteIp: PEER_IP, ports: REMOTE_PORT << 16 })
    const syn = parseSent(host.frames[0])
    host.send({ seq: PEER_ISS, ack: syn.seq + 1, flags: TCP_SYN | TCP_ACK, remotePort: REMOTE_PORT, localPort: syn.sourcePort })
    const [{ flow, gen }] = context.read()
    context.request(REQ_CONN_CLOSE, CONNECTION, { flow, gen, flags: 1 })
    host.work()
    expect(tosSent(host)).toEqual([[TCP_SYN, 0xb8], [TCP_ACK, 0xb8], [TCP_RST | TCP_ACK, 0xb8]])
  })

  it('tos of listen -> in the SYN-ACK too; to who is refused none', () => {
    const { host, context } = scene()
    context.post(REQ_CONN_OPTION, LISTENER, { flow: -1, option: OPTION_TOS, value: 0x28 })
    context.request(REQ_LISTEN_OPEN, LISTENER, { ports: LISTEN_PORT, backlog: 4 })
    host.send({ seq: PEER_ISS, flags: TCP_SYN })
    host.send({ seq: PEER_ISS, flags: TCP_SYN, localPort: LISTEN_PORT + 1 })
    expect(tosSent(host)).toEqual([[TCP_SYN | TCP_ACK, 0x28], [TCP_RST | TCP_ACK, 0]])
  })
})
