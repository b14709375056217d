/** ARP cache, routes, and the host kernel that shares our address. */
import { describe, expect, it } from 'vitest'
import { NEIGHBORS_MAX, TO_FAST_FLOW_ADD } from '../../lib/memif/index.js'
import { ARP_REPLY, ARP_REQUEST, parseArp } from '../../lib/wire/index.js'
import type { Frame } from '../../service/slow/stack.js'
import { Routes } from '../../service/slow/routes.js'
import { arpFrame, Host, OUR_IP, OUR_MAC, PEER_IP, PEER_MAC, segmentFrame } from './harness.js'
import { connecting, listening, scene, TCP_ACK, TCP_RST, TCP_SYN } from './scenes.js'

const OTHER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 9)
const macAt = (host: Host, index: number): number[] => {
  const at = (host.state.places.neighborsWord + index * 2) * 4
  return [...host.state.bytes.subarray(at, at + 6)]
}

describe('ARP', () => {
  it('start -> our addresses are announced (RFC 5227, 3)', () => {
    const frames: Uint8Array[] = []
    class Listening extends Host {
      override poll(): number {
        const work = super.poll()
        frames.push(...this.frames)
        return work
      }
    }
    expect(new Listening().frames).toEqual([])
    expect(parseArp(frames[0], 14)).toMatchObject({ operation: 1, senderIp: OUR_IP, targetIp: OUR_IP })
  })

  it('request for us -> reply to the asker, who is learned (RFC 826)', () => {
    const host = new Host({ coldArp: true })
    host.receiveFrame(arpFrame({}))
    const [frame] = host.frames
    expect([...frame.subarray(0, 6)]).toEqual([...PEER_MAC])
    expect(parseArp(frame, 14)).toMatchObject({ operation: ARP_REPLY, senderMac: OUR_MAC, senderIp: OUR_IP,
      targetMac: PEER_MAC, targetIp: PEER_IP })
    expect([host.count('arpRepliesSent'), host.count('arpEntries')]).toEqual([1, 1])
  })

  it('request for others, unasked reply, sender off our network, zero or group sender -> nothing learned', () => {
    const host = new Host({ coldArp: true })
    host.receiveFrame(arpFrame({ targetIp: 0x0a000050 }))
    host.receiveFrame(arpFrame({ operation: ARP_REPLY }))
    host.receiveFrame(arpFrame({ senderIp: 0x0b000001 }))
    host.receiveFrame(arpFrame({ senderMac: Uint8Array.of(0xff, 0, 0, 0, 0, 0) }))
    host.receiveFrame(arpFrame({ senderIp: 0 }))
    expect(host.count('arpEntries')).toBe(0)
    // A probe (RFC 5227, 2.1.1) is answered all the same.
    expect(host.count('arpRepliesSent')).toBe(2)
  })

  it('a known neighbour announces another address -> flows follow at once', () => {
    const host = new Host()
    host.receiveFrame(arpFrame({ senderMac: OTHER_MAC, targetIp: PEER_IP }))
    expect(macAt(host, 0)).toEqual([...OTHER_MAC])
  })

  it('somebody claims our address -> one warning a second, not learned', () => {
    const host = new Host()
    for (let i = 0; i < 3; i++) host.receiveFrame(arpFrame({ senderIp: OUR_IP, senderMac: OTHER_MAC }))
    expect(host.logged).toEqual(['another host uses our address'])
    expect(host.count('arpEntries')).toBe(1)
  })

  it('no answer -> asked again after 1, 2, 4 timeouts until they are longer than the limit, then failed', () => {
    const { host } = connecting({ coldArp: true, config: { arp: { timeoutUs: 500, timeoutMaxUs: 2000 } } })
    const start = host.nowUs
    const times: number[] = []
    while (host.slow.nextDeadlineUs() < Infinity) {
      host.nowUs = host.slow.nextDeadlineUs()
      host.poll()
      if (host.arpsSent().length > 0) times.push(host.nowUs - start)
    }
    expect([times, host.nowUs - start]).toEqual([[500, 1500], 3500])
    expect([host.count('arpRequestsSent'), host.count('arpRequestsFailed')]).toEqual([3, 1])
  })

  it('frames wait for the answer, at most 16; the oldest give way', () => {
    const host = new Host({ coldArp: true })
    for (let port = 1; port <= 20; port++) host.send({ flags: TCP_SYN, remotePort: port })
    expect(host.arpsSent()).toHaveLength(1)
    host.receiveFrame(arpFrame({ operation: ARP_REPLY, targetMac: OUR_MAC }, OUR_MAC))
    expect(host.sent().map(({ targetPort }) => targetPort)).toEqual(Array.from({ length: 16 }, (_, i) => i + 5))
  })

  it('more neighbours than the cache holds -> the one used longest ago gives way, one in use stays', () => {
    const { host } = listening({ config: { addresses: [{ ip: OUR_IP, prefix: 8 }] } })
    host.send({ flags: TCP_SYN })
    for (let i = 0; i < NEIGHBORS_MAX + 5; i++) host.receiveFrame(arpFrame({ senderIp: 0x0a010000 + i }))
    expect(host.count('arpEntries')).toBe(NEIGHBORS_MAX)
    host.frames = []
    host.send({ flags: TCP_SYN, remotePort: 6000 })
    expect(host.sent()).toMatchObject([{ flags: TCP_SYN | TCP_ACK }])
  })
})

describe('neighbour with a new address', () => {
  it.each(['passive', 'active'] as const)('%s open unanswered three times -> asked again, and the next try goes to the new address', (way) => {
    const { host } = way === 'passive' ? listening() : connecting()
    if (way === 'passive') host.send({ seq: 1, flags: TCP_SYN })
    host.sent()
    host.advance(100_000)
    expect(host.arpsSent().filter(({ operation }) => operation === ARP_REQUEST)).toHaveLength(1)
    host.receiveFrame(arpFrame({ operation: ARP_REPLY, senderMac: OTHER_MAC, targetMac: OUR_MAC }, OUR_MAC))
    host.frames = []
    host.advance(1_000_000)
    expect([...host.frames[0].subarray(0, 6)]).toEqual([...OTHER_MAC])
  })
})

describe('routes', () => {
  const routes = new Routes([{ ip: 0x0a000001, prefix: 24 }, { ip: 0x0a010001, prefix: 16 }], [
    { dest: 0, prefix: 0, nextHop: 0x0a0000fe },
    { dest: 0xc0a80000 | 0, prefix: 16, nextHop: 0x0a0100fe },
    { dest: 0xc0a80500 | 0, prefix: 24, nextHop: 0x0a0000fd },
  ])

  it.each([
    [0x0a000002, 0x0a000002, 0x0a000001],
    [0x0a010203, 0x0a010203, 0x0a010001],
    [0xc0a80101 | 0, 0x0a0100fe, 0x0a010001],
    [0xc0a80501 | 0, 0x0a0000fd, 0x0a000001],
    [0x08080808, 0x0a0000fe, 0x0a000001],
  ])('%i -> longest prefix', (ip, nextHop, sourceIp) => {
    expect(routes.choose(ip)).toEqual({ nextHop, sourceIp })
  })

  it('our own address -> itself, as source too (RFC 6724, 5, rule 1)', () => {
    for (const ip of [0x0a000001, 0x0a010001]) expect(routes.choose(ip)).toEqual({ nextHop: ip, sourceIp: ip })
  })

  it('broadcast, multicast, 127/8, nothing -> no route', () => {
    for (const ip of [0x0a0000ff, -1, 0xe0000001 | 0, 0x7f000001, 0]) expect(routes.choose(ip)).toBeNull()
    expect(new Routes([{ ip: 0x0a000001, prefix: 24 }], []).choose(0x08080808)).toBeNull()
  })

  it('a next hop -> its address is resolved, the packet keeps its own', () => {
    const { host } = connecting({ coldArp: true, config: { routes: [{ dest: PEER_IP, prefix: 32, nextHop: 0x0a0000fe }] } })
    // The longer prefix of the route beats the network that the peer is on.
    host.receiveFrame(arpFrame({ operation: ARP_REPLY, senderIp: 0x0a0000fe, senderMac: OTHER_MAC,
      targetMac: OUR_MAC }, OUR_MAC))
    expect([...host.frames.at(-1)?.subarray(0, 6) ?? []]).toEqual([...OTHER_MAC])
    expect(host.sent()).toMatchObject([{ remoteIp: PEER_IP, flags: TCP_SYN }])
  })
})

describe('host kernel (--kni-name)', () => {
  function shared(isUp = true): { host: Host; passed: Pick<Frame, 'bytes'>[] } {
    const passed: { bytes: Uint8Array }[] = []
    const hostKernel = {
      sendFrame: (bytes: Uint8Array, len: number): boolean => {
        if (isUp) passed.push({ bytes: bytes.slice(0, len) })
        return isUp
      },
    }
    const { host } = listening({ hostKernel })
    host.frames = []
    passed.length = 0
    return { host, passed }
  }

  it.each([[true, 1], [false, 0]])('ARP request, the kernel up: %s -> we learn and answer, the kernel too if it can', (isUp, count) => {
    const { host, passed } = shared(isUp)
    host.receiveFrame(arpFrame({ senderIp: 0x0a000007 }))
    expect([passed.length, host.count('arpEntries')]).toEqual([count, 2])
    expect(host.arpsSent()).toMatchObject([{ operation: ARP_REPLY }])
  })

  it('ARP reply -> both get it', () => {
    const { host, passed } = shared()
    host.receiveFrame(arpFrame({ operation: ARP_REPLY, senderMac: OTHER_MAC, targetMac: OUR_MAC }, OUR_MAC))
    expect([passed.length, macAt(host, 0)]).toEqual([1, [...OTHER_MAC]])
  })

  it('SYN for our listener -> ours; any other TCP -> the kernel\'s, no RST from us', () => {
    const { host, passed } = shared()
    host.send({ flags: TCP_SYN })
    expect([host.sent().length, passed.length]).toEqual([1, 0])
    host.send({ flags: TCP_SYN, localPort: 22 })
    host.send({ flags: TCP_ACK, remotePort: 7 })
    host.send({ flags: TCP_RST, localPort: 22 })
    expect([host.sent().length, passed.length]).toEqual([0, 3])
    // The first was the ARP request that the test began with.
    expect(host.count('toHostKernel')).toBe(4)
  })

  it('UDP, ICMP, broadcasts -> the kernel\'s', () => {
    const { host, passed } = shared()
    const of = (protocol: number): Uint8Array => {
      const frame = segmentFrame({})
      frame[23] = protocol
      // The header's checksum changes by as much as the protocol, the other way.
      const sum = ((frame[24] << 8) | frame[25]) + 6 - protocol
      frame[24] = sum >>> 8
      frame[25] = sum
      return frame
    }
    for (const protocol of [17, 1]) host.receiveFrame(of(protocol))
    host.receiveFrame(segmentFrame({ localIp: 0x0a0000ff }))
    expect([passed.length, host.frames.length]).toEqual([3, 0])
  })

  it('a frame of the kernel -> sent as it is', () => {
    const { host } = shared()
    host.slow.fromHostKernel(Uint8Array.of(1, 2, 3, 4), 3)
    expect(host.frames).toEqual([Uint8Array.of(1, 2, 3)])
    expect(host.count('fromHostKernel')).toBe(1)
  })

  it('a connection of ours -> not disturbed by the kernel', () => {
    const { host, passed } = shared()
    host.send({ seq: 1, flags: TCP_SYN })
    const [synAck] = host.sent()
    host.send({ seq: 2, ack: synAck.seq + 1, flags: TCP_ACK })
    expect([host.worker.read()[0].type, passed.length]).toEqual([TO_FAST_FLOW_ADD, 0])
  })
})

describe('without a host kernel', () => {
  it('SYN for a closed port -> RST that acknowledges it (RFC 9293, 3.10.7.1)', () => {
    const { host } = scene()
    host.send({ seq: 100, flags: TCP_SYN, payload: Uint8Array.of(1, 2) })
    expect(host.sent()).toMatchObject([{ seq: 0, ack: 103, flags: TCP_RST | TCP_ACK }])
    expect(host.count('resetsSent')).toBe(1)
  })
})
