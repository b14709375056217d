/** Urgent data as the application sees it (RFC 9293, 3.8.5): MUST-30 to MUST-33 and MUST-62, receiving side. */
import { describe, expect, it } from 'vitest'
import {
  AS_OPTION, AS_VALUE, EV_CONN_URGENT, EV_LISTEN_ACCEPT, REQ_LISTEN_ACCEPT, TCB_RCV_ADV, TCB_RCV_NXT, TCB_RCV_READ, TCB_SND_UNA,
} from '../../lib/memif/index.js'
import { Dialogue } from './dialogue.js'
import { type FakeContext, LISTEN_PORT, PEER_PORT } from './harness.js'
import { accepted, CONNECTION, LISTENER, listening, type Open, PEER_ISS, shakeHands, TCP_ACK, TCP_URG } from './scenes.js'

const BEGIN = ['established 300 100', 'stop']

function play(...lines: string[]): Dialogue {
  return new Dialogue().play([...BEGIN, ...lines])
}

describe('urgent data (RFC 9293, 3.8.5)', () => {
  it('a pointer into the segment -> told once; it ends before the octet that the pointer names (MUST-62, MUST-32, MUST-33)', () => {
    play('in <SEQ=100><ACK=300><CTL=ACK,URG><DATA=10><UP=4>', 'wait 500', 'out <SEQ=300><ACK=110><CTL=ACK>', 'received 10', 'urgent 4 1',
      'read 3', 'urgent 1 1', 'read 1', 'urgent 0 1', 'read 6', 'urgent 0 1')
  })

  it('longer than a segment, and than a pointer reaches -> told again whenever the pointer goes on (MUST-31, MUST-32)', () => {
    const dialogue = play('in <SEQ=100><ACK=300><CTL=ACK,URG><UP=65535>', 'urgent 65535 1',
      'in <SEQ=100><ACK=300><CTL=ACK,URG><DATA=10><UP=65535>', 'urgent 65535 1', 'wait 500', 'out <SEQ=300><ACK=110><CTL=ACK>')
    dialogue.play(['in <SEQ=110><ACK=300><CTL=ACK,URG><DATA=10><UP=65535>', 'urgent 65545 2', 'wait 500', 'out <SEQ=300><ACK=120><CTL=ACK>'])
    dialogue.play(['read 20', 'urgent 65525 2'])
  })

  it('more after the first was read -> told anew; an older pointer -> nothing', () => {
    play('in <SEQ=100><ACK=300><CTL=ACK,URG><DATA=10><UP=10>', 'urgent 10 1', 'read 10', 'urgent 0 1', 'wait 500', 'out <SEQ=300><ACK=110><CTL=ACK>',
      'in <SEQ=110><ACK=300><CTL=ACK,URG><DATA=10><UP=8>', 'wait 500', 'out <SEQ=300><ACK=120><CTL=ACK>', 'urgent 8 2',
      'in <SEQ=110><ACK=300><CTL=ACK,URG><DATA=12><UP=3>', 'wait 500', 'out <SEQ=300><ACK=122><CTL=ACK>', 'urgent 8 2')
  })

  it('the program reads all at once -> told before the bytes, in line with the others', () => {
    new Dialogue().play(['established 300 100', 'in <SEQ=100><ACK=300><CTL=ACK,URG><DATA=10><UP=10>', 'wait 500', 'out <SEQ=300><ACK=110><CTL=ACK>',
      'received 10', 'urgent 0 1'])
  })

  it('our window is closed -> the pointer comes through (MUST-66)', () => {
    new Dialogue({ bufLen: 2048 }).play([...BEGIN, 'in <SEQ=100><ACK=300><CTL=ACK><DATA=1400>', 'out <SEQ=300><ACK=1500><CTL=ACK>',
      'in <SEQ=1500><ACK=300><CTL=ACK><DATA=648>', 'out <SEQ=300><ACK=2148><CTL=ACK>', 'in <SEQ=2148><ACK=300><CTL=ACK,URG><UP=5>', 'urgent 2053 1'])
  })

  it('not acceptable: another acknowledgment, outside the window; URG without reach -> nothing', () => {
    play('in <SEQ=100><ACK=301><CTL=ACK,URG><UP=5>', 'out <SEQ=300><ACK=100><CTL=ACK>', 'urgent 0 0',
      'in <SEQ=50><ACK=300><CTL=ACK,URG><UP=500>', 'out <SEQ=300><ACK=100><CTL=ACK>', 'urgent 0 0',
      'wait 1000', 'in <SEQ=900000><ACK=300><CTL=ACK,URG><UP=5>', 'out <SEQ=300><ACK=100><CTL=ACK>', 'urgent 0 0',
      'in <SEQ=100><ACK=300><CTL=ACK,URG><UP=0>', 'urgent 0 0')
  })

  it('CLOSE-WAIT -> ignored (RFC 9293, 3.10.7.4, sixth)', () => {
    play('in <SEQ=100><ACK=300><CTL=FIN,ACK>', 'out <SEQ=300><ACK=101><CTL=ACK>', 'in <SEQ=101><ACK=300><CTL=ACK,URG><UP=5>', 'urgent 0 0',
      'state CLOSE-WAIT')
  })
})

/** Sequence numbers that the context was told of, counted from the peer's first byte. */
function told(context: FakeContext): number[] {
  const events = context.read().filter(({ type }) => type !== EV_LISTEN_ACCEPT)
  expect(events.every(({ type }) => type === EV_CONN_URGENT)).toBe(true)
  return events.map(({ values }) => values[AS_VALUE - AS_OPTION] - PEER_ISS - 1)
}

describe('urgent data: messages to the application', () => {
  function urge({ host, flow, gen, iss }: Open, urgent: number, seq = 0): void {
    host.send({ seq: PEER_ISS + 1 + seq, ack: iss + 1, flags: TCP_ACK | TCP_URG, urgent }, flow, gen)
  }

  it('nobody has accepted it yet -> the furthest pointer with the connection', () => {
    const begun = listening()
    const { host, context } = begun
    const iss = shakeHands(host)
    const [{ flow, gen }] = host.worker.read()
    context.read()
    const open = { ...begun, flow, gen, iss, localPort: LISTEN_PORT, remotePort: PEER_PORT }
    for (const urgent of [5, 9, 7]) urge(open, urgent)
    expect(context.read()).toEqual([])
    context.request(REQ_LISTEN_ACCEPT, CONNECTION, { listener: LISTENER })
    expect(told(context)).toEqual([9])
  })

  it('the application does not read its events -> one message waits, and brings the furthest', () => {
    const open = accepted()
    for (let urgent = 1; urgent <= 100; urgent++) urge(open, urgent)
    const first = told(open.context)
    open.host.poll()
    const rest = told(open.context)
    open.host.poll()
    expect([first.at(-1), ...rest, ...told(open.context)]).toEqual([first.length, first.length + 1, 100])
  })

  it('2 GiB later -> as at the beginning', () => {
    const open = accepted()
    const { host, flow, context } = open
    urge(open, 5)
    expect(told(context)).toEqual([5])
    const far = 2 ** 31 + 1000
    for (const word of [TCB_RCV_NXT, TCB_RCV_READ]) host.setTcb(flow, word, (PEER_ISS + 1 + far) | 0)
    host.setTcb(flow, TCB_RCV_ADV, (PEER_ISS + 1 + far + 4096) | 0)
    expect(host.tcb(flow, TCB_SND_UNA)).toBe(open.iss + 1)
    urge(open, 7, far)
    expect(told(context).map((seq) => seq >>> 0)).toEqual([(far + 7) >>> 0])
  })
})
