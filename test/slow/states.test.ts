/** SEGMENT ARRIVES and the user calls, state by state (RFC 9293, 3.10): a whole host against a peer in the RFC's notation. */
import { describe, it } from 'vitest'
import { Dialogue } from './dialogue.js'

interface Prepared {
  readonly state: string
  /** SND.NXT and RCV.NXT once the lines are played. */
  readonly snd: number
  readonly rcv: number
  readonly lines: readonly string[]
}

const ESTABLISHED = ['established 300 100']
const FIN_WAIT_1 = [...ESTABLISHED, 'shut', 'out <SEQ=300><ACK=100><CTL=FIN,ACK>']
const FIN_WAIT_2 = [...FIN_WAIT_1, 'in <SEQ=100><ACK=301><CTL=ACK>']
const CLOSE_WAIT = [...ESTABLISHED, 'in <SEQ=100><ACK=300><CTL=FIN,ACK>', 'out <SEQ=300><ACK=101><CTL=ACK>']
const CLOSING = [...FIN_WAIT_1, 'in <SEQ=100><ACK=300><CTL=FIN,ACK>', 'out <SEQ=301><ACK=101><CTL=ACK>']
const LAST_ACK = [...CLOSE_WAIT, 'shut', 'out <SEQ=300><ACK=101><CTL=FIN,ACK>']
const TIME_WAIT = [...FIN_WAIT_2, 'in <SEQ=100><ACK=301><CTL=FIN,ACK>', 'out <SEQ=301><ACK=101><CTL=ACK>']

/** States in which a worker has the connection. */
const OPEN: readonly Prepared[] = [
  { state: 'ESTABLISHED', snd: 300, rcv: 100, lines: ESTABLISHED },
  { state: 'FIN-WAIT-1', snd: 301, rcv: 100, lines: FIN_WAIT_1 },
  { state: 'FIN-WAIT-2', snd: 301, rcv: 100, lines: FIN_WAIT_2 },
  { state: 'CLOSE-WAIT', snd: 300, rcv: 101, lines: CLOSE_WAIT },
  { state: 'CLOSING', snd: 301, rcv: 101, lines: CLOSING },
  { state: 'LAST-ACK', snd: 301, rcv: 101, lines: LAST_ACK },
]
const SYNCHRONIZED: readonly Prepared[] = [...OPEN, { state: 'TIME-WAIT', snd: 301, rcv: 101, lines: TIME_WAIT }]
const RECEIVED_FIN = SYNCHRONIZED.filter(({ rcv }) => rcv === 101)
const MAY_RECEIVE = OPEN.filter(({ rcv }) => rcv === 100)

/** Plays the lines that lead to a state, then `lines`; `<SND>`, `<RCV>` stand for its numbers, `ANSWER` for a bare acknowledgment. */
function play({ state, snd, rcv, lines }: Prepared, more: readonly string[]): void {
  const fill = (line: string): string => line.replaceAll('ANSWER', 'out <SEQ=SND><ACK=RCV><CTL=ACK>')
    .replaceAll('STATE', state).replaceAll(/\bSND\b/g, String(snd)).replaceAll(/\bRCV([+-]\d+)?/g, (_all, add) => String(rcv + Number(add ?? 0)))
  new Dialogue().play([...lines, `state ${state}`, ...more.map(fill)])
}

describe('CLOSED', () => {
  it.each([
    ['a segment with ACK', 'in <SEQ=7><ACK=55><CTL=ACK><DATA=3>', ['out <SEQ=55><CTL=RST>']],
    ['a segment without ACK', 'in <SEQ=7><CTL=FIN><DATA=3>', ['out <SEQ=0><ACK=11><CTL=RST,ACK>']],
    ['a SYN', 'in <SEQ=7><CTL=SYN>', ['out <SEQ=0><ACK=8><CTL=RST,ACK>']],
    ['a RST', 'in <SEQ=7><ACK=55><CTL=RST,ACK>', []],
  ])('%s -> RST that its sender believes, never to a RST (RFC 9293, 3.10.7.1)', (_name, segment, answer) => {
    new Dialogue().play([segment, ...answer])
  })
})

describe('LISTEN', () => {
  it.each([
    ['RST', 'in <SEQ=7><CTL=RST>', []],
    ['RST,ACK', 'in <SEQ=7><ACK=9><CTL=RST,ACK>', []],
    ['ACK', 'in <SEQ=7><ACK=9><CTL=ACK>', ['out <SEQ=9><CTL=RST>']],
    ['SYN,ACK', 'in <SEQ=7><ACK=9><CTL=SYN,ACK>', ['out <SEQ=9><CTL=RST>']],
    ['SYN,RST', 'in <SEQ=7><CTL=SYN,RST>', []],
  ])('%s -> as RFC 9293, 3.10.7.2 says, no connection', (_name, segment, answer) => {
    new Dialogue().play(['listen', segment, ...answer, 'state CLOSED'])
  })

  it('data and FIN on a SYN -> not acknowledged, taken when they come again (RFC 9293, 3.10.7.2, third)', () => {
    new Dialogue().play([
      'listen', 'in <SEQ=99><CTL=SYN,FIN><DATA=5>', 'out <SEQ=299><ACK=100><CTL=SYN,ACK>', 'state SYN-RECEIVED',
      'in <SEQ=100><ACK=300><CTL=FIN,ACK><DATA=5>', 'out <SEQ=300><ACK=106><CTL=ACK>', 'received 5', 'state CLOSE-WAIT',
    ])
  })
})

describe('SYN-SENT', () => {
  const SENT = ['open', 'out <SEQ=100><CTL=SYN>', 'state SYN-SENT']

  it.each([
    ['ACK of ISS, not of the SYN', 'in <SEQ=300><ACK=100><CTL=ACK>', ['out <SEQ=100><CTL=RST>']],
    ['ACK beyond SND.NXT', 'in <SEQ=300><ACK=102><CTL=SYN,ACK>', ['out <SEQ=102><CTL=RST>']],
    ['unacceptable ACK with RST', 'in <SEQ=300><ACK=102><CTL=RST,ACK>', []],
    ['RST without ACK', 'in <SEQ=300><CTL=RST>', []],
    ['ACK that is right, without SYN', 'in <SEQ=300><ACK=101><CTL=ACK>', []],
    ['FIN', 'in <SEQ=300><ACK=101><CTL=FIN,ACK>', []],
    ['neither SYN nor ACK', 'in <SEQ=300><CTL=PSH><DATA=4>', []],
  ])('%s -> as RFC 9293, 3.10.7.3 says, and SYN-SENT goes on', (_name, segment, answer) => {
    new Dialogue().play([...SENT, segment, ...answer, 'state SYN-SENT', 'error 0'])
  })

  it('RST that acknowledges the SYN -> CLOSED, ECONNREFUSED (RFC 9293, 3.10.7.3, second)', () => {
    new Dialogue().play([...SENT, 'in <SEQ=0><ACK=101><CTL=RST,ACK>', 'state CLOSED', 'error 111'])
  })

  it('data and FIN on a SYN-ACK -> not acknowledged, taken when they come again (RFC 9293, 3.10.7.3, fourth)', () => {
    new Dialogue().play([
      ...SENT, 'in <SEQ=300><ACK=101><CTL=SYN,FIN,ACK><DATA=4>', 'out <SEQ=101><ACK=301><CTL=ACK>', 'state ESTABLISHED',
      'in <SEQ=301><ACK=101><CTL=FIN,ACK><DATA=4>', 'out <SEQ=101><ACK=306><CTL=ACK>', 'received 4', 'state CLOSE-WAIT',
    ])
  })

  it('CLOSE, ABORT -> CLOSED, nothing is sent (RFC 9293, 3.10.4, 3.10.5)', () => {
    for (const call of ['close', 'abort']) new Dialogue().play([...SENT, call, 'state CLOSED'])
  })
})

describe('SYN-RECEIVED', () => {
  const PASSIVE = ['listen', 'in <SEQ=99><CTL=SYN>', 'out <SEQ=299><ACK=100><CTL=SYN,ACK>', 'state SYN-RECEIVED']
  const ACTIVE = ['open', 'out <SEQ=299><CTL=SYN>', 'in <SEQ=99><CTL=SYN>', 'out <SEQ=299><ACK=100><CTL=SYN,ACK>', 'state SYN-RECEIVED']

  it.each([
    ['outside the window', 'in <SEQ=50><ACK=300><CTL=ACK>', ['out <SEQ=300><ACK=100><CTL=ACK>']],
    ['a RST outside the window', 'in <SEQ=50><CTL=RST>', []],
    ['a RST elsewhere in the window', 'in <SEQ=101><CTL=RST>', ['out <SEQ=300><ACK=100><CTL=ACK>']],
    ['another SYN outside the window', 'in <SEQ=50><CTL=SYN>', ['out <SEQ=300><ACK=100><CTL=ACK>']],
    ['the SYN again', 'in <SEQ=99><CTL=SYN>', ['out <SEQ=299><ACK=100><CTL=SYN,ACK>']],
    ['no ACK', 'in <SEQ=100><CTL=PSH><DATA=2>', []],
    ['an ACK of something else', 'in <SEQ=100><ACK=301><CTL=ACK>', ['out <SEQ=301><CTL=RST>']],
  ])('%s -> as RFC 9293, 3.10.7.4 says, of either OPEN', (_name, segment, answer) => {
    for (const lines of [PASSIVE, ACTIVE]) new Dialogue().play([...lines, segment, ...answer, 'state SYN-RECEIVED'])
  })

  it('passive OPEN: RST with the next number -> LISTEN, nobody is told (RFC 9293, 3.10.7.4, second: MUST-11)', () => {
    new Dialogue().play([...PASSIVE, 'in <SEQ=100><CTL=RST>', 'state CLOSED', 'error 0',
      'in <SEQ=500><CTL=SYN>', 'out <SEQ=299><ACK=501><CTL=SYN,ACK>'])
  })

  it('active OPEN: RST with the next number -> CLOSED, ECONNREFUSED (RFC 9293, 3.10.7.4, second: MUST-11)', () => {
    new Dialogue().play([...ACTIVE, 'in <SEQ=100><CTL=RST>', 'state CLOSED', 'error 111'])
  })

  it('passive OPEN: another SYN in the window -> LISTEN; active OPEN: challenge ACK (RFC 9293, 3.10.7.4, fourth)', () => {
    new Dialogue().play([...PASSIVE, 'in <SEQ=150><CTL=SYN>', 'state CLOSED', 'in <SEQ=150><CTL=SYN>', 'out <SEQ=299><ACK=151><CTL=SYN,ACK>'])
    new Dialogue().play([...ACTIVE, 'in <SEQ=150><CTL=SYN>', 'out <SEQ=300><ACK=100><CTL=ACK>', 'state SYN-RECEIVED'])
  })

  it('passive OPEN: SYN-ACK with the number of the SYN -> not acceptable; only a simultaneous open has that (RFC 9293, 3.5)', () => {
    new Dialogue().play([...PASSIVE, 'in <SEQ=99><ACK=300><CTL=SYN,ACK>', 'out <SEQ=300><ACK=100><CTL=ACK>', 'state SYN-RECEIVED'])
  })

  it('ACK with data, out of order -> ESTABLISHED, data kept (RFC 9293, 3.10.7.4, fifth)', () => {
    new Dialogue().play([...PASSIVE, 'in <SEQ=103><ACK=300><CTL=ACK><DATA=4>', 'state ESTABLISHED', 'out <SEQ=300><ACK=100><CTL=ACK>',
      'in <SEQ=100><ACK=300><CTL=ACK><DATA=3>', 'out <SEQ=300><ACK=107><CTL=ACK>', 'received 7'])
  })

  it('FIN with the ACK -> CLOSE-WAIT (RFC 9293, 3.10.7.4, eighth)', () => {
    new Dialogue().play([...PASSIVE, 'in <SEQ=100><ACK=300><CTL=FIN,ACK>', 'out <SEQ=300><ACK=101><CTL=ACK>', 'state CLOSE-WAIT'])
  })

  it('CLOSE -> FIN once the handshake is over (RFC 9293, 3.10.4)', () => {
    new Dialogue().play([...ACTIVE, 'close', 'state SYN-RECEIVED',
      'in <SEQ=100><ACK=300><CTL=ACK>', 'out <SEQ=300><ACK=100><CTL=FIN,ACK>', 'state FIN-WAIT-1',
      'in <SEQ=100><ACK=301><CTL=FIN,ACK>', 'out <SEQ=301><ACK=101><CTL=ACK>', 'state TIME-WAIT', 'wait 60000', 'state CLOSED'])
  })

  it('CLOSE, then RST -> CLOSED, nobody is told twice (RFC 9293, 3.10.4)', () => {
    new Dialogue().play([...ACTIVE, 'close', 'in <SEQ=100><CTL=RST>', 'state CLOSED', 'error 0'])
  })

  it('ABORT -> RST (RFC 9293, 3.10.5)', () => {
    new Dialogue().play([...ACTIVE, 'abort', 'out <SEQ=300><ACK=100><CTL=RST,ACK>', 'state CLOSED'])
  })
})

describe('synchronized states', () => {
  it.each(SYNCHRONIZED)('$state: SYN or SYN-ACK, old or in the window -> challenge ACK (RFC 5961, 4.2; RFC 9293, 3.10.7.4, fourth)', (at) => {
    play(at, ['in <SEQ=40><CTL=SYN>', 'ANSWER', 'in <SEQ=99><ACK=300><CTL=SYN,ACK>', 'ANSWER', 'in <SEQ=RCV><ACK=300><CTL=SYN,ACK>',
      'ANSWER', 'state STATE', 'error 0'])
  })

  it.each(OPEN)('$state: SYN in the window -> challenge ACK (RFC 5961, 4.2)', (at) => {
    play(at, ['in <SEQ=RCV><CTL=SYN>', 'ANSWER', 'in <SEQ=RCV+50><CTL=SYN,FIN><DATA=9>', 'ANSWER', 'state STATE'])
  })

  it.each(OPEN)('$state: RST with RCV.NXT, with data or without ACK too -> CLOSED, ECONNRESET (RFC 5961, 3.2; SHLD-2, MUST-12)', (at) => {
    for (const rst of ['<CTL=RST>', '<ACK=300><CTL=RST,ACK>', '<CTL=RST><DATA=20>']) play(at, [`in <SEQ=RCV>${rst}`, 'state CLOSED', 'error 104'])
  })

  it.each(OPEN)('$state: RST elsewhere in the window -> challenge ACK; outside -> dropped (RFC 5961, 3.2)', (at) => {
    play(at, ['in <SEQ=RCV+1><CTL=RST>', 'ANSWER', 'in <SEQ=RCV-1><CTL=RST>', 'in <SEQ=RCV+2000000><CTL=RST>', 'state STATE'])
  })

  it.each(OPEN)('$state: no ACK bit -> dropped (RFC 9293, 3.10.7.4, fifth)', (at) => {
    play(at, ['in <SEQ=RCV><CTL=PSH><DATA=3>', 'in <SEQ=RCV><CTL=FIN>', 'state STATE', 'received 0'])
  })

  it.each(SYNCHRONIZED)('$state: ACK of something not sent yet -> ACK, segment dropped (RFC 9293, 3.10.7.4, fifth)', (at) => {
    play(at, ['in <SEQ=RCV><ACK=400><CTL=ACK><DATA=3>', 'ANSWER', 'in <SEQ=RCV><ACK=400><CTL=FIN,ACK>', 'ANSWER', 'state STATE', 'received 0'])
  })

  it.each(SYNCHRONIZED)('$state: number outside the window -> ACK, segment dropped (RFC 9293, 3.10.7.4, first)', (at) => {
    play(at, ['in <SEQ=RCV+2000000><ACK=300><CTL=ACK><DATA=3>', 'ANSWER', 'in <SEQ=RCV-9><ACK=300><CTL=ACK>', 'ANSWER',
      'in <SEQ=50><ACK=300><CTL=FIN,ACK><DATA=2>', 'ANSWER', 'state STATE', 'received 0'])
  })

  it.each(MAY_RECEIVE)('$state: data -> delivered and acknowledged, half-closed too (RFC 9293, 3.10.7.4, seventh; 3.6.1)', (at) => {
    play(at, ['in <SEQ=RCV><ACK=SND><CTL=ACK><DATA=3>', 'out <SEQ=SND><ACK=103><CTL=ACK>', 'received 3'])
  })

  it.each(MAY_RECEIVE)('$state: segment that is part old, part new -> the new part counts (RFC 9293, 3.10.7.4, first)', (at) => {
    play(at, ['in <SEQ=RCV><ACK=SND><CTL=ACK><DATA=3>', 'out <SEQ=SND><ACK=103><CTL=ACK>',
      'in <SEQ=101><ACK=SND><CTL=ACK><DATA=5>', 'out <SEQ=SND><ACK=106><CTL=ACK>', 'received 6'])
  })

  it.each(MAY_RECEIVE)('$state: urgent data -> delivered in line (RFC 9293, 3.8.5; RFC 6093)', (at) => {
    play(at, ['in <SEQ=RCV><ACK=SND><CTL=ACK,URG><UP=2><DATA=3>', 'out <SEQ=SND><ACK=103><CTL=ACK>', 'received 3'])
  })

  it.each(RECEIVED_FIN)('$state: data, URG or another FIN behind the FIN -> ACK, ignored (RFC 9293, 3.10.7.4, sixth to eighth)', (at) => {
    play(at, ['in <SEQ=RCV><ACK=300><CTL=ACK><DATA=3>', 'ANSWER', 'in <SEQ=RCV><ACK=300><CTL=ACK,URG><UP=3><DATA=3>', 'ANSWER',
      'in <SEQ=RCV><ACK=300><CTL=FIN,ACK>', 'ANSWER', 'state STATE', 'received 0'])
  })

  it.each(RECEIVED_FIN)('$state: the FIN again -> ACK, state stays (RFC 9293, 3.10.7.4, eighth)', (at) => {
    play(at, ['in <SEQ=100><ACK=300><CTL=FIN,ACK>', 'ANSWER', 'state STATE'])
  })

  it.each([
    { from: 'ESTABLISHED', lines: ESTABLISHED, ack: 300, to: 'CLOSE-WAIT', seq: 300 },
    { from: 'FIN-WAIT-1', lines: FIN_WAIT_1, ack: 300, to: 'CLOSING', seq: 301 },
    { from: 'FIN-WAIT-1', lines: FIN_WAIT_1, ack: 301, to: 'TIME-WAIT', seq: 301 },
    { from: 'FIN-WAIT-2', lines: FIN_WAIT_2, ack: 301, to: 'TIME-WAIT', seq: 301 },
  ])('$from: FIN that acknowledges $ack -> $to (RFC 9293, 3.10.7.4, eighth)', ({ lines, ack, to, seq }) => {
    new Dialogue().play([...lines, `in <SEQ=100><ACK=${ack}><CTL=FIN,ACK>`, `out <SEQ=${seq}><ACK=101><CTL=ACK>`, `state ${to}`])
  })

  it.each([
    { from: 'FIN-WAIT-1', lines: FIN_WAIT_1, to: 'FIN-WAIT-2', seq: 100 },
    { from: 'CLOSING', lines: CLOSING, to: 'TIME-WAIT', seq: 101 },
    { from: 'LAST-ACK', lines: LAST_ACK, to: 'CLOSED', seq: 101 },
  ])('$from: ACK of our FIN -> $to (RFC 9293, 3.10.7.4, fifth)', ({ lines, to, seq }) => {
    new Dialogue().play([...lines, `in <SEQ=${seq}><ACK=301><CTL=ACK>`, `state ${to}`])
  })
})

describe('user calls', () => {
  it.each(OPEN.filter(({ state }) => state !== 'CLOSING' && state !== 'LAST-ACK'))('$state: ABORT -> RST, CLOSED (RFC 9293, 3.10.5)', (at) => {
    // The FIN is in flight: with its number, too, in case that it got lost.
    const lost = at.state === 'FIN-WAIT-1' ? ['out <SEQ=300><ACK=RCV><CTL=RST,ACK>'] : []
    play(at, ['abort', ...lost, 'out <SEQ=SND><ACK=RCV><CTL=RST,ACK>', 'state CLOSED'])
  })

  it.each(OPEN.filter(({ state }) => state === 'CLOSING' || state === 'LAST-ACK'))('$state: ABORT -> CLOSED without RST (RFC 9293, 3.10.5)', (at) => {
    play(at, ['abort', 'state CLOSED', 'error 0'])
  })

  it('ESTABLISHED: SEND, then CLOSE -> data before the FIN, FIN-WAIT-1 (RFC 9293, 3.10.4; MUST-61)', () => {
    new Dialogue().play([...ESTABLISHED, 'send 5', 'out <SEQ=300><ACK=100><CTL=ACK><DATA=5>', 'shut',
      'out <SEQ=305><ACK=100><CTL=FIN,ACK>', 'state FIN-WAIT-1'])
  })

  it('CLOSE-WAIT: SEND, then CLOSE -> data, then FIN, LAST-ACK (RFC 9293, 3.10.2, 3.10.4)', () => {
    new Dialogue().play([...CLOSE_WAIT, 'send 5', 'out <SEQ=300><ACK=101><CTL=ACK><DATA=5>', 'shut',
      'out <SEQ=305><ACK=101><CTL=FIN,ACK>', 'state LAST-ACK'])
  })

  it('FIN-WAIT-2, CLOSE of both directions: new data -> RST (RFC 9293, 3.6.1: SHLD-3)', () => {
    new Dialogue().play([...FIN_WAIT_2, 'close', 'in <SEQ=100><ACK=301><CTL=ACK><DATA=1>', 'out <SEQ=301><ACK=100><CTL=RST,ACK>', 'state CLOSED'])
  })

  it('TIME-WAIT: 2 MSL after the last FIN -> CLOSED (RFC 9293, 3.10.8; MUST-13)', () => {
    play({ state: 'TIME-WAIT', snd: 301, rcv: 101, lines: TIME_WAIT }, ['wait 59000', 'in <SEQ=100><ACK=301><CTL=FIN,ACK>', 'ANSWER',
      'wait 59000', 'state TIME-WAIT', 'wait 1000', 'state CLOSED'])
  })
})
