/** Requirements of RFC 9293 that no other test shows: see docs/conformance.md. */
import { describe, expect, it } from 'vitest'
import {
  EV_CONN_OPEN, EV_LISTEN_OPEN, REQ_CONN_OPEN, REQ_LISTEN_OPEN, TCB_SND_WND, TO_FAST_FLOW_ADD,
} from '../../lib/memif/index.js'
import { parseTcpOptions } from '../../lib/wire/index.js'
import { Dialogue } from './dialogue.js'
import { type Host, OUR_IP, parseSent, PEER_IP, withIpOptions } from './harness.js'
import { connecting, listening, PEER_ISS, scene, TCP_ACK, TCP_SYN } from './scenes.js'

const OTHER_IP = OUR_IP + 16
const TWO_ADDRESSES = { config: { addresses: [{ ip: OUR_IP, prefix: 24 }, { ip: OTHER_IP, prefix: 28 }] } }
const IP_AT = 14

/** Source addresses of the IP packets sent. */
function sources(host: Host): number[] {
  return host.frames.splice(0).filter((frame) => frame[12] === 8 && frame[13] === 0)
    .map((frame) => new DataView(frame.buffer, frame.byteOffset).getInt32(IP_AT + 12))
}

describe('window', () => {
  it('65,535 with shift 14 -> 2^30 - 2^14 bytes, unsigned (MUST-1, REC-1)', () => {
    const { host } = listening()
    host.send({ seq: PEER_ISS, flags: TCP_SYN, options: { windowScale: 14 } })
    const [synAck] = host.sent()
    host.send({ seq: PEER_ISS + 1, ack: synAck.seq + 1, flags: TCP_ACK, window: 0xffff })
    const [{ type, flow }] = host.worker.read()
    expect([type, host.tcb(flow, TCB_SND_WND)]).toEqual([TO_FAST_FLOW_ADD, 2 ** 30 - 2 ** 14])
  })

  /** MSS 536, 4,096 bytes of window, seven segments and a bit. */
  const FULL = ['established 300 100', 'send 8000', ...Array.from({ length: 7 }, (_, i) => `out <SEQ=${300 + 536 * i}><ACK=100><CTL=ACK><DATA=536>`)]

  it('less than a segment is left of it -> held back until more is acknowledged (MUST-38)', () => {
    new Dialogue().play([...FULL, 'in <SEQ=100><ACK=836><CTL=ACK><WND=3800>', 'out <SEQ=4052><ACK=100><CTL=ACK><DATA=536>'])
  })

  it('the peer shrinks it below what is in flight -> nothing new; retransmission only within it (MUST-34, SHLD-15, SHLD-16)', () => {
    new Dialogue().play([...FULL, 'in <SEQ=100><ACK=836><CTL=ACK><WND=1200>', 'wait 320',
      'out <SEQ=836><ACK=100><CTL=ACK><DATA=536>'])
  })

  it('the peer shrinks it and takes one segment in five minutes -> what lies beyond is no reason to give up (SHLD-17)', () => {
    const dialogue = new Dialogue().play(FULL)
    for (let segment = 1; segment <= 4; segment++) {
      dialogue.inject({ seq: 100, ack: 300 + 536 * segment + dialogue.offset, window: 536 })
      dialogue.pass(300_000)
    }
    dialogue.net.frames.length = 0
    dialogue.play(['state ESTABLISHED', 'error 0'])
  })

  it('the peer shrinks it to nothing -> probed after the timeout, further and further apart (MUST-35, MUST-36, SHLD-29, SHLD-30)', () => {
    new Dialogue().play([...FULL, 'in <SEQ=100><ACK=836><CTL=ACK><WND=0>', 'wait 190', 'wait 120',
      'out <SEQ=836><ACK=100><CTL=ACK><DATA=1>', 'in <SEQ=100><ACK=836><CTL=ACK><WND=0>', 'wait 250', 'wait 250',
      'out <SEQ=836><ACK=100><CTL=ACK><DATA=1>', 'state ESTABLISHED'])
  })

  it('ours is closed -> RST and URG are processed all the same (MUST-66, MAY-8)', () => {
    const full = ['established 300 100', 'stop', 'in <SEQ=100><ACK=300><CTL=ACK><DATA=1000>', 'out <SEQ=300><ACK=1100><CTL=ACK>',
      'in <SEQ=1100><ACK=300><CTL=ACK><DATA=1048>', 'out <SEQ=300><ACK=2148><CTL=ACK>']
    const closed = new Dialogue({ bufLen: 2048 }).play([...full, 'wait 60000', 'in <SEQ=2148><ACK=300><CTL=ACK><DATA=1>', 'out <SEQ=300><ACK=2148><CTL=ACK>'])
    closed.play(['in <SEQ=2148><ACK=300><CTL=ACK,URG><UP=1>', 'state ESTABLISHED', 'in <SEQ=2148><CTL=RST>', 'state CLOSED', 'error 104'])
  })
})

describe('options', () => {
  it('any boundary, any order -> read (MUST-64)', () => {
    const bytes = Uint8Array.of(3, 3, 7, 8, 10, 0, 0, 1, 44, 0, 0, 0, 5, 2, 4, 5, 180, 254, 3, 1, 4, 2, 0)
    expect(parseTcpOptions(bytes, 0, bytes.length)).toMatchObject({ mss: 1460, windowScale: 7, sackPermitted: true, timestamps: { value: 300, echo: 5 } })
  })

  it('segments that are no SYN -> without MSS option (MUST-65)', () => {
    const dialogue = new Dialogue()
    const sent: Uint8Array[] = []
    const send = dialogue.net.send.bind(dialogue.net)
    dialogue.net.send = (from, frame) => {
      if (frame[12] === 8 && frame[13] === 0) sent.push(frame.slice())
      send(from, frame)
    }
    dialogue.play(['established 300 100', 'send 3', 'out <SEQ=300><ACK=100><CTL=ACK><DATA=3>', 'shut', 'out <SEQ=303><ACK=100><CTL=FIN,ACK>'])
    expect(sent.map((frame) => parseSent(frame).options.mss)).toEqual([1460, null, null])
  })

  it('of the IP header, unknown -> ignored (MUST-50)', () => {
    const dialogue = new Dialogue().play(['established 300 100'])
    const plain = dialogue.frame({ seq: 100, ack: 300 + dialogue.offset, payload: Uint8Array.of(1, 2) })
    // An option of the experimental kind 30, four bytes long.
    dialogue.injectFrame(withIpOptions(plain, Uint8Array.of(30, 4, 0, 0)))
    dialogue.play(['out <SEQ=300><ACK=102><CTL=ACK>', 'received 2'])
  })
})

describe('R1', () => {
  it('a segment retransmitted for the third time -> the next hop is asked for anew (MUST-20, SHLD-10)', () => {
    const dialogue = new Dialogue().play(['established 300 100'])
    let requests = 0
    let retransmissions = -1
    const before: number[] = []
    dialogue.net.send = (_from, frame) => {
      const isArp = frame[12] === 8 && frame[13] === 6
      if (isArp) requests++
      else if (++retransmissions > 0) before.push(requests)
    }
    dialogue.play(['send 3', 'wait 5000'])
    // The request goes out with the third, or just before it.
    expect(before.slice(0, 2)).toEqual([0, 0])
    expect([retransmissions > 3, requests > 0]).toEqual([true, true])
  })
})

describe('OPEN', () => {
  it('passive, while a connection from the same port is in SYN-SENT -> LISTEN (MUST-42)', () => {
    const { context, syn, host } = connecting()
    context.request(REQ_LISTEN_OPEN, 3, { ports: syn.sourcePort, backlog: 1 })
    expect(context.read()).toMatchObject([{ type: EV_LISTEN_OPEN, handle: 3, status: 0 }])
    expect(host.count('flowsSynSent')).toBe(1)
  })

  it('active, to a broadcast, multicast or no address -> error, nothing is sent (MUST-46)', () => {
    const { host, context } = scene()
    const targets = [0x0a0000ff, -1, 0xe0000001 | 0, 0xf0000001 | 0, 0, 0x7f000001]
    targets.forEach((remoteIp, handle) => context.request(REQ_CONN_OPEN, handle, { remoteIp, ports: 80 << 16 }))
    const events = context.read()
    expect(events.map(({ type }) => type)).toEqual(targets.map(() => EV_CONN_OPEN))
    for (const { status } of events) expect(status).not.toBe(0)
    expect(host.frames).toEqual([])
  })

  it('active, without a local address -> that of the route to the peer; with one -> that (MUST-43, MUST-44)', () => {
    const { host, context } = scene(TWO_ADDRESSES)
    context.request(REQ_CONN_OPEN, 1, { remoteIp: PEER_IP, ports: 80 << 16 })
    expect(sources(host)).toEqual([OUR_IP])
    context.request(REQ_CONN_OPEN, 2, { remoteIp: PEER_IP, localIp: OTHER_IP, ports: 80 << 16 })
    expect(sources(host)).toEqual([OTHER_IP])
  })
})
