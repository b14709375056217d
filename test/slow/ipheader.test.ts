/** The IP header of what slow path and worker send. */
import { describe, expect, it } from 'vitest'
import { ETHERNET_HEADER_BYTES, parseIpv4 } from '../../lib/wire/index.js'
import { DEFAULT_TCP } from '../../service/slow/index.js'
import { Dialogue } from './dialogue.js'
import { OUR_IP, PEER_IP } from './frames.js'

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

describe('IP header', () => {
  it('--ip-ttl not given -> 64; given -> that, in segments of slow path and worker (RFC 9293, 3.9.2: MUST-49)', () => {
    expect(headers().map((ip) => ip?.ttl)).toEqual([64, 64])
    expect(headers(17).map((ip) => ip?.ttl)).toEqual([17, 17])
  })

  it('a connection -> the same local address in all its segments (RFC 9293, 3.9.1.1: MUST-45)', () => {
    expect(headers().map((ip) => [ip?.sourceIp, ip?.targetIp])).toEqual([[OUR_IP, PEER_IP], [OUR_IP, PEER_IP]])
  })
})
