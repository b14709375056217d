/** Information about connections: for their application, and for whoever may see all of them. */
import { describe, expect, it } from 'vitest'
import {
  AS_PART, AS_VALUE, EV_CONN_INFO, FLAG_ECN, FLAG_FIN_QUEUED, FLAG_FIN_RECEIVED, FLAG_NAGLE, FLAG_SACK, INFO_ECN, INFO_KEEP_ALIVE,
  INFO_NAMES, INFO_NO_DELAY, INFO_PART_WORDS, INFO_PARTS, INFO_SACK, INFO_TIMESTAMPS, INFO_WINDOW_SCALING, infoOfWords,
  OPTION_KEEP_ALIVE, OPTION_TX_LIMIT, REQ_CONN_INFO, REQ_CONN_OPTION, TCB_FLAGS, TCB_HEARD_MS, TCB_OOO_END, TCB_OOO_START,
  TCB_RATE_KBPS, TCB_RCV_NXT, TCB_RTTVAR_US4, TCB_SND_END, TCB_SND_MAX, TCB_SND_NXT, TCB_SND_UNA, TCB_SND_WND, TCB_SRTT_US8,
  TCP_STATES, WHAT_ACTIVE, type InfoValues,
} from '../../lib/memif/index.js'
import { PEER_PORT, RX_BUF, TX_BUF } from './harness.js'
import { errorFrame, quote } from './icmpframes.js'
import { accepted, CONNECTION, listening, type Open, opened, PEER_ISS, PEER_OPTIONS, REMOTE_PORT, shakeHands, TCP_SYN } from './scenes.js'
import { connectionRows } from '../../tools/control/connections.js'
import { listConnections } from '../connectionlist.js'

const ENOTCONN = 107

function info({ context, flow, gen }: Open): InfoValues {
  context.request(REQ_CONN_INFO, CONNECTION, { flow, gen })
  const words = new Int32Array(INFO_NAMES.length)
  const events = context.read()
  expect(events).toHaveLength(INFO_PARTS)
  events.forEach(({ type, status, handle, values }, part) => {
    expect([type, status, handle, values[0]]).toEqual([EV_CONN_INFO, 0, CONNECTION, part])
    words.set(values.slice(AS_VALUE - AS_PART, AS_VALUE - AS_PART + INFO_PART_WORDS), part * INFO_PART_WORDS)
  })
  return infoOfWords(words)
}

describe('connection information', () => {
  it('every value -> from TCB and slow path', () => {
    const open = accepted({}, PEER_OPTIONS)
    const { host, context, flow, gen } = open
    context.request(REQ_CONN_OPTION, CONNECTION, { flow, gen, option: OPTION_KEEP_ALIVE, value: 5000, value2: 1000, value3: 3 })
    context.request(REQ_CONN_OPTION, CONNECTION, { flow, gen, option: OPTION_TX_LIMIT, value: 65536 })
    context.read()
    const una = host.tcb(flow, TCB_SND_UNA)
    const nxt = host.tcb(flow, TCB_RCV_NXT)
    for (const [word, value] of [
      [TCB_SRTT_US8, 8000], [TCB_RTTVAR_US4, 800], [TCB_SND_UNA, una + 1000], [TCB_SND_NXT, una + 4000], [TCB_SND_MAX, una + 4000],
      [TCB_SND_END, una + 4500], [TCB_RCV_NXT, nxt + 300], [TCB_OOO_START, nxt + 500], [TCB_OOO_END, nxt + 900], [TCB_SND_WND, 70_000],
      [TCB_RATE_KBPS, -1], [TCB_HEARD_MS, host.nowUs / 1000 - 250],
      [TCB_FLAGS, host.tcb(flow, TCB_FLAGS) | FLAG_SACK | FLAG_ECN | FLAG_NAGLE],
    ]) host.setTcb(flow, word, value)
    const values = info(open)
    expect(TCP_STATES[values.state]).toBe('ESTABLISHED')
    expect(values.flags).toBe(INFO_TIMESTAMPS | INFO_SACK | INFO_ECN | INFO_WINDOW_SCALING | INFO_KEEP_ALIVE)
    expect(values).toMatchObject({
      rttUs: 1000, rttvarUs: 200, rtoUs: 200_000, mssBytes: 1448, cwndBytes: 14_480, ssthreshBytes: 0x7fffffff, rateKbps: 0xffffffff,
      inFlightBytes: 3000, unsentBytes: 500, ackedBytes: 1000, sentBytes: 4000, receivedBytes: 300, outOfOrderBytes: 400,
      rcvWndBytes: RX_BUF - 300, sndWndBytes: 70_000, heardMs: 250, sndWscale: 7, rxBufferBytes: RX_BUF, txBufferBytes: TX_BUF,
      keepIdleMs: 5000, txLimitBytes: 65536, retransmits: 0, lostBytes: 0, sackedBytes: 0, reorderSeen: 0, backoff: 0, softError: 0,
    })
  })

  it.each([
    [3, 0, 101], [3, 1, 113], [3, 5, 95], [11, 0, 113], [12, 0, 71],
  ])('ICMP type %i code %i -> softError %i; the program was not disturbed (RFC 9293, 3.9.2.2: SHLD-25; MUST-47, SHLD-20)', (type, code, softError) => {
    const open = accepted()
    const una = open.host.tcb(open.flow, TCB_SND_UNA)
    for (const word of [TCB_SND_NXT, TCB_SND_MAX, TCB_SND_END]) open.host.setTcb(open.flow, word, una + 100)
    open.host.receiveFrame(errorFrame(type, code, quote(open, una)))
    expect(open.context.read()).toEqual([])
    expect(info(open).softError).toBe(softError)
  })

  it('timeouts in a row -> backoff and retransmits count (RFC 9293, 3.8.3: SHLD-9)', () => {
    const open = accepted()
    const { host, flow, gen } = open
    const una = host.tcb(flow, TCB_SND_UNA)
    for (const word of [TCB_SND_NXT, TCB_SND_MAX, TCB_SND_END]) host.setTcb(flow, word, una + 100)
    host.report(flow, gen, WHAT_ACTIVE)
    host.advance(10_000_000)
    host.work()
    expect([info(open).backoff, info(open).retransmits]).toEqual([5, 5])
  })

  it('both FINs through -> they are not counted as bytes', () => {
    const open = accepted()
    const { host, flow } = open
    const una = host.tcb(flow, TCB_SND_UNA)
    host.setTcb(flow, TCB_SND_END, una + 10)
    for (const word of [TCB_SND_UNA, TCB_SND_NXT, TCB_SND_MAX]) host.setTcb(flow, word, una + 11)
    host.setTcb(flow, TCB_RCV_NXT, PEER_ISS + 1 + 20 + 1)
    host.setTcb(flow, TCB_FLAGS, FLAG_FIN_QUEUED | FLAG_FIN_RECEIVED)
    expect(info(open)).toMatchObject({ sentBytes: 10, ackedBytes: 10, receivedBytes: 20, unsentBytes: 0, inFlightBytes: 0 })
  })

  it('defaults -> no option negotiated, Nagle off', () => {
    expect(info(accepted()).flags & ~INFO_WINDOW_SCALING).toBe(INFO_NO_DELAY)
    expect(info(opened()).flags & INFO_TIMESTAMPS).toBe(INFO_TIMESTAMPS)
  })

  it('of another application, of a connection that has ended, of no flow -> ENOTCONN', () => {
    const open = accepted()
    const other = open.host.addApp().context
    for (const [context, flow, gen] of [[other, open.flow, open.gen], [open.context, open.flow, open.gen + 1], [open.context, -1, 0]] as const) {
      context.request(REQ_CONN_INFO, CONNECTION, { flow, gen })
      expect(context.read()).toMatchObject([{ type: EV_CONN_INFO, status: ENOTCONN, flow, gen }])
    }
  })

  it('an application that asks and does not read -> its requests wait, the answers in memory stay few', () => {
    const open = accepted()
    const { host, context, flow, gen } = open
    for (let i = 0; i < 12; i++) context.request(REQ_CONN_INFO, CONNECTION, { flow, gen })
    const before = host.count('appRequests')
    host.poll()
    expect(host.count('appRequests')).toBe(before)
    let events = 0
    for (let i = 0; i < 12; i++) {
      events += context.read().length
      host.poll()
    }
    expect(events + context.read().length).toBe(12 * INFO_PARTS)
  })
})

describe('list of connections', () => {
  it('every state, with and without flow -> one row each', () => {
    const { host, context, app } = listening()
    shakeHands(host)
    host.send({ seq: PEER_ISS, flags: TCP_SYN, remotePort: PEER_PORT + 1 })
    context.read()
    expect(host.slow.listState('flows').next(host.nowUs).more).toBe(false)
    expect(listConnections(host.slow, host.nowUs)).toMatchObject([
      { state: 'ESTABLISHED', local: '10.0.0.1:80', remote: `10.0.0.2:${PEER_PORT}`, app: app.id, pid: 1, name: 'test', mssBytes: 536 },
      { state: 'SYN-RECEIVED', local: '10.0.0.1:80', remote: `10.0.0.2:${PEER_PORT + 1}`, mssBytes: 0, rtoUs: 0 },
    ])
  })

  it('more than a page, and connections that come and go between two -> those that stay are seen once, it ends', () => {
    const { host } = listening({}, 400)
    const remotePorts = Array.from({ length: 300 }, (_, i) => 3000 + i)
    for (const remotePort of remotePorts) host.send({ seq: PEER_ISS, flags: TCP_SYN, remotePort })
    const listing = host.slow.listState('flows')
    const seen: string[] = []
    let more = true
    for (let pages = 0; more; pages++) {
      expect(pages).toBeLessThan(5)
      const page = listing.next(host.nowUs)
      seen.push(...connectionRows(page.rows as readonly number[][], []).map(({ remote }) => remote))
      more = page.more
      host.send({ seq: PEER_ISS, flags: TCP_SYN, remotePort: REMOTE_PORT + pages })
      host.send({ seq: PEER_ISS + 1, flags: 4, remotePort: 3299 - pages })
    }
    expect(seen.slice(0, 290)).toEqual(remotePorts.slice(0, 290).map((port) => `10.0.0.2:${port}`))
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.length).toBeLessThanOrEqual(300)
  })
})
