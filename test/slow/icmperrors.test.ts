/** ICMP errors about connections (RFC 5927; RFC 1122, 4.2.3.9; RFC 9293, 3.9.2.2). */
import { describe, expect, it } from 'vitest'
import {
  EV_CONN_CLOSED, EV_CONN_OPEN, TCB_SND_END, TCB_SND_MAX, TCB_SND_NXT, TCB_SND_UNA, TCB_SRTT_US8, TCB_SND_WND, TO_FAST_FLOW_REMOVE, WHAT_ACTIVE,
} from '../../lib/memif/index.js'
import { LISTEN_PORT, PEER_PORT, type Host, segmentFrame } from './harness.js'
import { errorFrame, icmpFrame, quote } from './icmpframes.js'
import { accepted, connecting, listening, type Open, PEER_ISS, REMOTE_PORT, TCP_SYN } from './scenes.js'

const UNREACHABLE = 3

/** Both ends' view of a connection on which 5000 bytes are under way. */
function busy(): Open {
  const open = accepted()
  const { host, flow } = open
  const end = host.tcb(flow, TCB_SND_UNA) + 5000
  for (const word of [TCB_SND_NXT, TCB_SND_MAX, TCB_SND_END]) host.setTcb(flow, word, end)
  host.setTcb(flow, TCB_SND_WND, 100_000)
  host.setTcb(flow, TCB_SRTT_US8, 8000)
  host.report(flow, open.gen, WHAT_ACTIVE)
  return open
}

function heard(host: Host): [number, number] {
  return [host.count('icmpErrors'), host.count('icmpErrorsIgnored')]
}

/** No more retransmissions are wanted: runs until the connection has timed out. */
function timeOut({ host, context }: Open): number {
  for (let i = 0; i < 100; i++) {
    host.advance(60_000_000)
    host.work()
  }
  const closed = context.read().find(({ type }) => type === EV_CONN_CLOSED)
  return closed?.status ?? -1
}

describe('SYN-SENT', () => {
  it.each([
    ['port unreachable', 3, 111], ['protocol unreachable', 2, 92], ['network prohibited', 9, 101], ['host prohibited', 10, 113],
    ['filtered', 13, 113],
  ])('hard error, %s -> the attempt fails at once with the errno of Linux (RFC 1122, 4.2.3.9)', (_, code, status) => {
    const { host, context, syn } = connecting()
    host.receiveFrame(errorFrame(UNREACHABLE, code, quote({ localPort: syn.sourcePort, remotePort: REMOTE_PORT }, syn.seq, 60)))
    expect(context.read()).toMatchObject([{ type: EV_CONN_OPEN, status }])
    expect([heard(host), host.count('flowsSynSent'), host.count('bufferBytes'), host.slow.nextDeadlineUs()]).toEqual([[1, 0], 0, 0, Infinity])
  })

  it.each([
    ['network unreachable', UNREACHABLE, 0, 101], ['host unreachable', UNREACHABLE, 1, 113], ['source route failed', UNREACHABLE, 5, 95],
    ['time to live exceeded', 11, 0, 113], ['parameter problem', 12, 0, 71],
  ])('soft error, %s -> goes on, and is the reason when the attempt times out', (_, type, code, status) => {
    const { host, context, syn } = connecting()
    host.receiveFrame(errorFrame(type, code, quote({ localPort: syn.sourcePort, remotePort: REMOTE_PORT }, syn.seq, 60)))
    expect([heard(host), context.read()]).toEqual([[1, 0], []])
    host.advance(300_000_000)
    expect(context.read()).toMatchObject([{ type: EV_CONN_OPEN, status }])
  })

  it('a sequence number that is not our SYN\'s, another port, fragmentation needed -> ignored (RFC 5927, 4.1)', () => {
    const { host, context, syn } = connecting()
    const names = { localPort: syn.sourcePort, remotePort: REMOTE_PORT }
    host.receiveFrame(errorFrame(UNREACHABLE, 3, quote(names, syn.seq + 1, 60)))
    host.receiveFrame(errorFrame(UNREACHABLE, 3, quote({ ...names, remotePort: 1 }, syn.seq, 60)))
    host.receiveFrame(errorFrame(UNREACHABLE, 4, quote(names, syn.seq, 1500), 1000))
    expect([context.read(), heard(host), host.count('flowsSynSent')]).toEqual([[], [0, 3], 1])
  })
})

describe('SYN-RECEIVED', () => {
  it('hard error -> the half-open connection is forgotten, nobody is told; soft -> it stays', () => {
    const { host, context } = listening()
    host.send({ seq: PEER_ISS, flags: TCP_SYN })
    const [synAck] = host.sent()
    const names = { localPort: LISTEN_PORT, remotePort: PEER_PORT }
    host.receiveFrame(errorFrame(UNREACHABLE, 1, quote(names, synAck.seq, 60)))
    expect(host.count('flowsSynReceived')).toBe(1)
    host.receiveFrame(errorFrame(UNREACHABLE, 3, quote(names, synAck.seq, 60)))
    expect([host.count('flowsSynReceived'), context.read()]).toEqual([0, []])
  })
})

describe('ESTABLISHED', () => {
  it.each([
    [UNREACHABLE, 0], [UNREACHABLE, 1], [UNREACHABLE, 2], [UNREACHABLE, 3], [UNREACHABLE, 13], [UNREACHABLE, 200], [11, 0], [11, 1], [12, 0], [4, 0],
  ])('type %i code %i -> never ends the connection (RFC 5927, 5.2)', (type, code) => {
    const open = busy()
    const { host } = open
    host.receiveFrame(errorFrame(type, code, quote(open, host.tcb(open.flow, TCB_SND_UNA))))
    expect(host.work().map((command) => command.type)).not.toContain(TO_FAST_FLOW_REMOVE)
    expect([open.context.read(), host.count('flowsEstablished')]).toEqual([[], 1])
  })

  it('host unreachable for what is under way -> the reason when the connection times out (as Linux)', () => {
    const open = busy()
    open.host.receiveFrame(errorFrame(UNREACHABLE, 1, quote(open, open.host.tcb(open.flow, TCB_SND_UNA) + 4999)))
    expect(timeOut(open)).toBe(113)
  })

  it('data came through after the error -> a later time-out is a time-out', () => {
    const open = busy()
    const una = open.host.tcb(open.flow, TCB_SND_UNA)
    open.host.receiveFrame(errorFrame(UNREACHABLE, 1, quote(open, una)))
    open.host.setTcb(open.flow, TCB_SND_UNA, una + 1000)
    expect(timeOut(open)).toBe(110)
  })

  it('sequence numbers below SND.UNA, at SND.NXT and beyond -> ignored and counted (RFC 5927, 4.1)', () => {
    const open = busy()
    const una = open.host.tcb(open.flow, TCB_SND_UNA)
    for (const seq of [una - 1, una + 5000, una + 5001, una + 0x7fffffff]) {
      open.host.receiveFrame(errorFrame(UNREACHABLE, 1, quote(open, seq)))
    }
    expect(heard(open.host)).toEqual([0, 4])
    expect(timeOut(open)).toBe(110)
  })

  it('source quench -> ignored and counted (RFC 6633, 3)', () => {
    const open = busy()
    open.host.receiveFrame(errorFrame(4, 0, quote(open, open.host.tcb(open.flow, TCB_SND_UNA))))
    expect([heard(open.host), timeOut(open)]).toEqual([[0, 1], 110])
  })
})

describe('ICMP errors', () => {
  it('wrong checksum, quote cut short, of another protocol, a later fragment, not from our address -> nothing', () => {
    const open = busy()
    const { host } = open
    const good = quote(open, host.tcb(open.flow, TCB_SND_UNA))
    const bad = errorFrame(UNREACHABLE, 1, good)
    bad[bad.length - 1] ^= 1
    host.receiveFrame(bad)
    expect(host.count('dropMalformed')).toBe(1)
    const changed = (at: number, value: number): Uint8Array => {
      const copy = good.slice()
      copy[at] = value
      return copy
    }
    const wrong = [good.subarray(0, 27), good.subarray(0, 19), new Uint8Array(0), changed(0, 0x65), changed(0, 0x4f), changed(9, 17), changed(7, 1), changed(15, 99)]
    for (const quoted of wrong) host.receiveFrame(errorFrame(UNREACHABLE, 1, quoted))
    expect([heard(host), timeOut(open)]).toEqual([[0, wrong.length], 110])
  })

  it('more than a thousand in a moment -> the rest is ignored', () => {
    const open = busy()
    const frame = errorFrame(UNREACHABLE, 1, quote(open, open.host.tcb(open.flow, TCB_SND_UNA)))
    for (let i = 0; i < 1010; i++) open.host.receiveFrame(frame)
    expect(heard(open.host)).toEqual([1000, 10])
  })

  it('--kni-name: about our connections -> ours; others and echo requests -> the kernel\'s', () => {
    const taken: number[] = []
    const hostKernel = { sendFrame: (bytes: Uint8Array) => taken.push(bytes[34]) > 0 }
    const { host, syn, context } = connecting({ hostKernel })
    taken.length = 0
    host.receiveFrame(errorFrame(UNREACHABLE, 3, quote({ localPort: 9, remotePort: 9 }, 0)))
    host.receiveFrame(icmpFrame({}))
    host.receiveFrame(errorFrame(UNREACHABLE, 3, quote({ localPort: syn.sourcePort, remotePort: REMOTE_PORT }, syn.seq, 60)))
    expect([taken, context.read().length, host.count('icmpEchoes')]).toEqual([[3, 8], 1, 0])
  })
})

describe('priority tags', () => {
  it('802.1Q tag with VLAN 0 -> as untagged; another VLAN -> not ours (IEEE 802.1Q, 6.9)', () => {
    const { host } = listening()
    const plain = segmentFrame({ seq: PEER_ISS, flags: TCP_SYN })
    const tagged = (tci: number): Uint8Array => Uint8Array.of(...plain.subarray(0, 12), 0x81, 0, tci >> 8, tci & 0xff, ...plain.subarray(12))
    host.receiveFrame(tagged(0xa005))
    expect([host.sent(), host.count('packetsNotOurs')]).toEqual([[], 1])
    host.receiveFrame(tagged(0xa000))
    expect(host.sent()).toMatchObject([{ ack: PEER_ISS + 1 }])
    host.receiveFrame(tagged(0xa000).slice(0, 15))
  })
})
