/** Urgent data through a whole host: worker, slow path and worker again. */
import { describe, expect, it } from 'vitest'
import * as wire from '../../lib/wire/index.js'
import { exchange, listen, start, twoHosts } from './scene.js'

const IP_AT = wire.ETHERNET_HEADER_BYTES

/** Marks the payload of a TCP frame as urgent up to its middle; other frames stay as they are. Returns whether it did. */
function markUrgent(frame: Uint8Array): boolean {
  const ip = frame[12] === 8 && frame[13] === 0 ? wire.parseIpv4(frame, IP_AT) : null
  if (ip === null || ip.protocol !== wire.PROTOCOL_TCP) return false
  const at = IP_AT + ip.headerLen
  const tcp = wire.parseTcp(frame, at, ip.payloadLen)
  if (tcp === null || tcp.payloadLen === 0) return false
  frame[at + 13] |= wire.TCP_URG
  wire.writeU16(frame, at + 18, (tcp.payloadLen >> 1) + 1)
  wire.fillTcpChecksum(frame, at, ip.payloadLen, ip.sourceIp, ip.targetIp)
  return true
}

describe('urgent data (RFC 9293, 3.8.5; RFC 6093, 4)', () => {
  it('every segment with URG -> all bytes in line and in order', () => {
    const scene = twoHosts(5)
    const { net, server, client } = scene
    const serving = start(server, 'server')
    const calling = start(client, 'client')
    const response = net.random.bytes(9000)
    listen(scene, serving, 80, () => response)
    const send = net.send.bind(net)
    let marked = 0
    net.send = (from, frame) => {
      const copy = frame.slice()
      if (markUrgent(copy)) marked++
      send(from, copy)
    }
    exchange(scene, calling, serving, 80, response)
    expect(marked).toBeGreaterThan(5)
    expect(server.slowCount('reinjectedPackets') + client.slowCount('reinjectedPackets')).toBeGreaterThanOrEqual(marked)
  })
})
