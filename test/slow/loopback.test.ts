/** Connections between addresses of our own: the slow path's part. */
import { describe, expect, it } from 'vitest'
import {
  EV_CONN_OPEN, EV_LISTEN_ACCEPT, FLAG_LOOPBACK, REQ_CONN_CLOSE, REQ_CONN_OPEN, REQ_LISTEN_ACCEPT, REQ_LISTEN_OPEN, TCB_FLAGS,
  TCB_NEIGHBOR_U16, TCB_PORTS, TCB_REMOTE_IP, TO_FAST_FLOW_ADD, TO_FAST_PACKET,
} from '../../lib/memif/index.js'
import { parseArp } from '../../lib/wire/index.js'
import { rawWord } from '../../service/slow/rawword.js'
import { LoopbackQueue } from '../../service/slow/loopback.js'
import { arpFrame, Host, LISTEN_PORT, OUR_IP, OUR_MAC, PEER_IP, segmentFrame, type HostOptions } from './harness.js'
import { listening, LISTENER, type Scene, TCP_ACK, TCP_RST, TCP_SYN } from './scenes.js'

const CLIENT = 20
const SERVER = 21
const OTHER_IP = 0x0a000101
const TWO_ADDRESSES = { addresses: [{ ip: OUR_IP, prefix: 24 }, { ip: OTHER_IP, prefix: 24 }] }

function rest(host: Host): void {
  for (let polls = 0; host.poll() > 0; polls++) if (polls > 50) throw new Error('the slow path does not come to rest')
}

/** A listener with a handle in accept, and a request to connect to it, served as far as the slow path can. */
function connected(options: HostOptions = {}, request: Record<string, number> = {}): Scene {
  const begun = listening(options)
  const { host, context } = begun
  host.frames = []
  context.request(REQ_LISTEN_ACCEPT, SERVER, { listener: LISTENER })
  context.request(REQ_CONN_OPEN, CLIENT, { remoteIp: OUR_IP, ports: LISTEN_PORT << 16, ...request })
  rest(host)
  return begun
}

describe('connection to an address of our own', () => {
  it('a listener is there -> both ends open in one go, no frame on the port, no ARP', () => {
    const { host, context } = connected()
    const events = context.read()
    const [client, server] = [EV_CONN_OPEN, EV_LISTEN_ACCEPT].map((type) => events.find((event) => event.type === type))
    expect([client?.status, server?.status]).toEqual([0, 0])
    expect([client?.remoteIp, client?.localIp, server?.remoteIp]).toEqual([OUR_IP, OUR_IP, OUR_IP])
    expect([client?.ports, server?.ports].map((ports) => (ports ?? 0) >>> 16)).toEqual([LISTEN_PORT, (client?.ports ?? 0) & 0xffff])
    expect([host.frames, host.count('arpRequestsSent'), host.count('flowsEstablished')]).toEqual([[], 0, 2])
  })

  it('TCBs -> FLAG_LOOPBACK, each the other\'s mirror, our MAC address as neighbour', () => {
    const { host, context } = connected()
    const flows = context.read().filter(({ flow }) => flow >= 0).filter(({ type }) => type === EV_CONN_OPEN || type === EV_LISTEN_ACCEPT)
    const ports = flows.map(({ flow }) => rawWord(host.tcb(flow, TCB_PORTS)))
    expect(ports[0]).toBe((ports[1] << 16) | (ports[1] >>> 16))
    for (const { flow } of flows) {
      expect(host.tcb(flow, TCB_FLAGS) & FLAG_LOOPBACK).toBe(FLAG_LOOPBACK)
      expect(host.tcb(flow, TCB_REMOTE_IP)).toBe(rawWord(OUR_IP))
      const index = host.state.halves[(host.state.tcbWord + flow * 32) * 2 + TCB_NEIGHBOR_U16]
      const at = (host.state.places.neighborsWord + index * 2) * 4
      expect(host.state.bytes.slice(at, at + 6)).toEqual(OUR_MAC)
    }
  })

  it('both handshakes done -> the worker gets both flows, and no segment: all that the last one says stands in the TCB', () => {
    const { host } = connected()
    const commands = host.worker.read()
    expect(commands.filter(({ type }) => type === TO_FAST_FLOW_ADD)).toHaveLength(2)
    expect(commands.filter(({ type }) => type === TO_FAST_PACKET)).toEqual([])
  })

  it('several workers -> both ends are the same worker\'s, connections are spread', () => {
    const begun = listening({ workers: 4, flows: 64, config: { kinBytes: 8192, koutBytes: 8192 } }, 40, 40)
    const { host, context } = begun
    for (let i = 0; i < 8; i++) context.request(REQ_LISTEN_ACCEPT, 50 + i, { listener: LISTENER })
    for (let i = 0; i < 8; i++) context.request(REQ_CONN_OPEN, 70 + i, { remoteIp: OUR_IP, ports: LISTEN_PORT << 16 })
    rest(host)
    const events = context.read()
    const clients = events.filter(({ type }) => type === EV_CONN_OPEN)
    const servers = events.filter(({ type }) => type === EV_LISTEN_ACCEPT)
    expect([clients.length, servers.length]).toEqual([8, 8])
    for (const client of clients) {
      const server = servers.find(({ ports }) => ports >>> 16 === (client.ports & 0xffff))
      expect(server?.worker).toBe(client.worker)
    }
    expect(new Set(clients.map(({ worker }) => worker)).size).toBeGreaterThan(1)
    const added = host.workers.map((worker) => worker.read().filter(({ type }) => type === TO_FAST_FLOW_ADD).length)
    expect(added.map((count) => count % 2)).toEqual([0, 0, 0, 0])
  })

  it('nobody listens -> ECONNREFUSED without a host kernel and with one', () => {
    const passed: number[] = []
    for (const hostKernel of [undefined, { sendFrame: (_: Uint8Array, len: number) => passed.push(len) > 0 }]) {
      const { host, context } = listening(hostKernel ? { hostKernel } : {})
      passed.length = 0
      context.request(REQ_CONN_OPEN, CLIENT, { remoteIp: OUR_IP, ports: 81 << 16 })
      rest(host)
      expect(context.read()).toMatchObject([{ type: EV_CONN_OPEN, handle: CLIENT, status: 111 }])
      expect([host.count('flowsSynSent'), passed]).toEqual([0, []])
    }
  })

  it('CONN_CLOSE before the SYN is handled -> the half-open end is reset, nothing left', () => {
    const { host, context } = listening()
    context.post(REQ_CONN_OPEN, CLIENT, { remoteIp: OUR_IP, ports: LISTEN_PORT << 16 })
    context.post(REQ_CONN_CLOSE, CLIENT, { flow: -1 })
    rest(host)
    expect([host.count('flowsSynSent'), host.count('flowsSynReceived')]).toEqual([0, 0])
    expect(host.slow.nextDeadlineUs()).toBe(Infinity)
  })

  it('frames wait for a poll -> hasWork, so that nobody sleeps on them', () => {
    const { host, context } = listening()
    context.request(REQ_CONN_OPEN, CLIENT, { remoteIp: OUR_IP, ports: LISTEN_PORT << 16 })
    expect(host.slow.hasWork()).toBe(true)
    rest(host)
    expect(host.slow.hasWork()).toBe(false)
  })

  it('port not given -> never one that would make it a connection to itself', () => {
    const { host, context } = listening({ flows: 8 })
    for (let port = 10_240; port < 10_640; port++) {
      context.request(REQ_CONN_OPEN, CLIENT, { remoteIp: OUR_IP, ports: port << 16 })
      rest(host)
      expect(context.read()).toMatchObject([{ status: 111 }])
    }
  })

  it('two connect to each other\'s port -> one connection by simultaneous open (RFC 9293, 3.5, figure 8)', () => {
    const { host, context } = listening()
    context.post(REQ_CONN_OPEN, 1, { remoteIp: OUR_IP, ports: (7001 << 16) | 7002 })
    context.post(REQ_CONN_OPEN, 2, { remoteIp: OUR_IP, ports: (7002 << 16) | 7001 })
    rest(host)
    expect(context.read()).toMatchObject([{ type: EV_CONN_OPEN, status: 0 }, { type: EV_CONN_OPEN, status: 0 }])
    expect([host.count('flowsEstablished'), host.count('flowsSynReceived')]).toEqual([2, 0])
  })
})

describe('frame from the network with one of our addresses as source (RFC 1122, 3.2.1.3)', () => {
  it.each([[TCP_SYN], [TCP_RST], [TCP_ACK]])('flags %i -> dropped without an answer', (flags) => {
    const { host } = listening({ config: TWO_ADDRESSES })
    const before = host.count('packetsNotOurs')
    for (const remoteIp of [OUR_IP, OTHER_IP]) host.send({ flags, remoteIp })
    rest(host)
    expect([host.sent(), host.count('synReceived'), host.count('packetsNotOurs') - before]).toEqual([[], 0, 2])
  })

  it('a RST for a connection between our own -> the connection stays', () => {
    const { host, context } = connected()
    const client = context.read().find(({ type }) => type === EV_CONN_OPEN)
    const localPort = (client?.ports ?? 0) & 0xffff
    host.send({ flags: TCP_RST, remoteIp: OUR_IP, remotePort: LISTEN_PORT, localPort, seq: client?.rxBase ?? 0 }, client?.flow, client?.gen)
    rest(host)
    expect(host.count('flowsEstablished')).toBe(2)
  })
})

describe('several addresses', () => {
  it('ARP -> each is announced and answered for', () => {
    const host = new Host({ config: TWO_ADDRESSES })
    for (const targetIp of [OUR_IP, OTHER_IP]) host.receiveFrame(arpFrame({ targetIp }))
    expect(host.frames.map((frame) => parseArp(frame, 14))).toMatchObject([
      { operation: 2, senderIp: OUR_IP, senderMac: OUR_MAC }, { operation: 2, senderIp: OTHER_IP, senderMac: OUR_MAC },
    ])
  })

  it.each([
    ['the network of the first', PEER_IP, 0, OUR_IP], ['the network of the second', 0x0a000102, 0, OTHER_IP],
    ['the first, from the second by choice', PEER_IP, OTHER_IP, OTHER_IP],
  ])('connecting into %s -> SYN and ARP from the right one', (_, remoteIp, localIp, expected) => {
    const { host, context } = listening({ config: TWO_ADDRESSES, coldArp: true })
    host.frames = []
    context.request(REQ_CONN_OPEN, CLIENT, { remoteIp, localIp, ports: 80 << 16 })
    // ARP is asked from the address on that network, whatever the connection's (RFC 826).
    expect(host.arpsSent()).toMatchObject([{ targetIp: remoteIp, senderIp: remoteIp === PEER_IP ? OUR_IP : OTHER_IP }])
    host.receiveFrame(arpFrame({ operation: 2, senderIp: remoteIp, targetIp: expected }))
    const [syn] = host.frames.splice(0)
    expect(new DataView(syn.buffer).getInt32(26)).toBe(expected)
  })

  it.each([[0], [OTHER_IP]])('SYN to the second, listener on %i -> SYN-ACK from the second', (ip) => {
    const { host, context } = listening({ config: TWO_ADDRESSES })
    context.request(REQ_LISTEN_OPEN, 40, { ports: 90, localIp: ip, backlog: 4 })
    host.frames = []
    host.receiveFrame(segmentFrame({ flags: TCP_SYN, localIp: OTHER_IP, localPort: 90 }))
    expect(new DataView(host.frames[0].buffer).getInt32(26)).toBe(OTHER_IP)
  })

  it('SYN to the second, listener on the first -> RST', () => {
    const { host, context } = listening({ config: TWO_ADDRESSES })
    context.request(REQ_LISTEN_OPEN, 40, { ports: 90, localIp: OUR_IP, backlog: 4 })
    host.frames = []
    host.receiveFrame(segmentFrame({ flags: TCP_SYN, localIp: OTHER_IP, localPort: 90 }))
    expect(host.sent()).toMatchObject([{ flags: TCP_RST | TCP_ACK }])
  })

  it.each([[0, OTHER_IP, OTHER_IP], [OUR_IP, OTHER_IP, OUR_IP], [OTHER_IP, OUR_IP, OTHER_IP]])(
    'inside, from %i to %i -> the source is %i', (localIp, remoteIp, expected) => {
      const { context } = connected({ config: TWO_ADDRESSES }, { remoteIp, localIp })
      expect(context.read().find(({ type }) => type === EV_LISTEN_ACCEPT)).toMatchObject({ status: 0, remoteIp: expected, localIp: remoteIp })
    })
})

describe('loopback queue', () => {
  it('frames come while others are taken -> they wait for the next time', () => {
    const queue = new LoopbackQueue()
    queue.push(Uint8Array.of(1))
    queue.push(Uint8Array.of(2))
    const [a, b] = queue.takeAll()
    queue.push(Uint8Array.of(3))
    expect([[...a.bytes, ...b.bytes], queue.isEmpty]).toEqual([[1, 2], false])
    expect(queue.takeAll()).toHaveLength(1)
    expect(queue.isEmpty).toBe(true)
  })

  it('too many -> lost, as on a link', () => {
    const queue = new LoopbackQueue()
    for (let i = 0; i < 5_000; i++) queue.push(new Uint8Array(1))
    expect(queue.takeAll()).toHaveLength(4_096)
  })
})
