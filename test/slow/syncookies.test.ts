/** SYN cookies (RFC 4987, 3.6): as data, and through the whole slow path. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  EV_LISTEN_ACCEPT, EV_LISTEN_NEWCONN, FLAG_ECN, FLAG_SACK, FLAG_TIMESTAMPS, REQ_CONN_CLOSE, REQ_LISTEN_ACCEPT, TCB_FLAGS, TCB_MSS_U16, TCB_RCV_NXT,
  TCB_RX_BASE, TCB_SND_UNA, TCB_SND_WND, TCB_SND_WSCALE_U8, TCB_SRTT_US8, TCB_TS_RECENT, TO_FAST_FLOW_ADD, TO_FAST_PACKET,
} from '../../lib/memif/index.js'
import * as wire from '../../lib/wire/index.js'
import {
  COOKIE_MSS, COOKIE_SLOT_US, cookieMssIndex, cookieOffer, cookieTimestamp, restoreOffer, SynCookies,
} from '../../service/slow/syncookies.js'
import { HALF_OPEN_MAX } from '../../service/slow/synpressure.js'
import { type Host, LISTEN_PORT, OUR_IP, PEER_IP, type SegmentOptions } from './harness.js'
import { LISTENER, listening, PEER_ISS, PEER_OPTIONS, type Scene, shakeHands, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from './scenes.js'

const TUPLE = { localIp: OUR_IP, localPort: LISTEN_PORT, remoteIp: PEER_IP, remotePort: 5000 }
const START_US = 10 * COOKIE_SLOT_US

function jar(): SynCookies {
  let state = 1
  return new SynCookies({ u32: () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) })
}

function syn(options: Partial<wire.TcpOptions>, flags: number = TCP_SYN): wire.TcpParsed {
  return {
    sourcePort: 5000, targetPort: LISTEN_PORT, seq: PEER_ISS, ack: 0, flags, window: 1000, urgent: 0, headerLen: 20, payloadAt: 54,
    payloadLen: 0, options: { ...wire.NO_OPTIONS, ...options },
  }
}

describe('cookie', () => {
  it('every MSS and address -> checked as what it was made of', () => {
    const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
    const port = fc.integer({ min: 1, max: 65_535 })
    fc.assert(fc.property(word, word, port, word, fc.nat(7), (localIp, remoteIp, remotePort, irs, mss) => {
      const cookies = jar()
      const tuple = { localIp, localPort: 80, remoteIp, remotePort }
      const iss = cookies.issue(tuple, irs, mss, START_US)
      expect(cookies.check(tuple, irs, iss, START_US)).toBe(mss)
    }))
  })

  it('another address, port, IRS, MSS or hash -> refused', () => {
    const cookies = jar()
    const iss = cookies.issue(TUPLE, PEER_ISS, 6, START_US)
    for (const change of [{ localIp: 1 }, { remoteIp: 1 }, { localPort: 81 }, { remotePort: 5001 }]) {
      expect(cookies.check({ ...TUPLE, ...change }, PEER_ISS, iss, START_US)).toBe(-1)
    }
    expect(cookies.check(TUPLE, PEER_ISS + 1, iss + 1, START_US)).toBe(-1)
    for (let bit = 0; bit < 32; bit++) expect(cookies.check(TUPLE, PEER_ISS, iss ^ (1 << bit), START_US)).toBe(-1)
  })

  it('age: this slot and the next -> good; two slots later, and after a pause -> refused', () => {
    const endUs = START_US + COOKIE_SLOT_US
    const ages = [[endUs - 1, 6], [endUs, 6], [endUs + COOKIE_SLOT_US - 1, 6], [endUs + COOKIE_SLOT_US, -1]] as const
    for (const [nowUs, mss] of ages) {
      const cookies = jar()
      const iss = cookies.issue(TUPLE, PEER_ISS, 6, START_US)
      if (nowUs > endUs) cookies.issue(TUPLE, 0, 0, endUs)
      expect([nowUs, cookies.check(TUPLE, PEER_ISS, iss, nowUs)]).toEqual([nowUs, mss])
    }
  })

  it('rotation: the same slot number 32 minutes later -> another key, the replay is refused', () => {
    const cookies = jar()
    const iss = cookies.issue(TUPLE, PEER_ISS, 6, START_US)
    for (let slot = 1; slot <= 32; slot++) cookies.issue(TUPLE, PEER_ISS, 6, START_US + slot * COOKIE_SLOT_US)
    expect(cookies.check(TUPLE, PEER_ISS, iss, START_US + 32 * COOKIE_SLOT_US)).toBe(-1)
    expect(cookies.issue(TUPLE, PEER_ISS, 6, START_US + 32 * COOKIE_SLOT_US)).not.toBe(iss)
  })

  it('guesses -> hardly any is right', () => {
    const cookies = jar()
    let right = 0
    for (let guess = 0; guess < 20_000; guess++) if (cookies.check(TUPLE, PEER_ISS, Math.imul(guess, 0x9e3779b1), START_US) >= 0) right++
    expect(right).toBe(0)
  })

  it.each([[null, 536], [0, 64], [200, 64], [300, 256], [1459, 1440], [1460, 1460], [65_535, 8960]])(
    'MSS %j -> %i', (offered, kept) => {
      expect(COOKIE_MSS[cookieMssIndex(offered)]).toBe(kept)
    })
})

describe('options in the timestamp (RFC 7323, 3)', () => {
  const offers = fc.record({
    mss: fc.option(fc.nat(65_535)), windowScale: fc.option(fc.nat(14)), sackPermitted: fc.boolean(),
    timestamps: fc.option(fc.record({ value: fc.nat(), echo: fc.constant(0) })),
  })
  const clocks = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })

  it('any offer, any clock, acknowledged within two minutes -> the same offer as was answered', () => {
    fc.assert(fc.property(offers, fc.boolean(), clocks, fc.nat(120_000), (options, isEcn, nowMs, laterMs) => {
      const offer = cookieOffer(syn(options, isEcn ? TCP_SYN | wire.TCP_ECE | wire.TCP_CWR : TCP_SYN))
      const { timestamps } = options
      const echo = { value: timestamps?.value ?? 0, echo: cookieTimestamp(offer, nowMs) }
      const ack = { ...syn({ timestamps: timestamps && echo }, TCP_ACK), seq: PEER_ISS + 1, payloadLen: 7 }
      const restored = restoreOffer(ack, cookieMssIndex(options.mss), (nowMs + laterMs) | 0)
      expect(restored).toEqual({ ...offer, ack: 0 })
    }))
  })

  it('the same offer at rising times -> never ahead of the clock, never falling (PAWS at the peer)', () => {
    fc.assert(fc.property(offers, clocks, fc.nat(1000), (options, nowMs, laterMs) => {
      const offer = cookieOffer(syn(options))
      const [first, second] = [cookieTimestamp(offer, nowMs), cookieTimestamp(offer, (nowMs + laterMs) | 0)]
      expect(wire.seqDiff(first, nowMs)).toBeLessThanOrEqual(0)
      expect(wire.seqDiff(first, nowMs)).toBeGreaterThan(-128)
      expect(wire.seqDiff(second, first)).toBeGreaterThanOrEqual(0)
    }))
  })

  it.each([['ahead of the clock', 1], ['never sent', -200_000]])('echo %s -> as if there were no timestamps', (_, offsetMs) => {
    const ack = { ...syn({ timestamps: { value: 5, echo: 1_000_000 + offsetMs } }, TCP_ACK), seq: PEER_ISS + 1 }
    expect(restoreOffer(ack, 6, 1_000_000).options).toEqual({ ...wire.NO_OPTIONS, mss: 1460 })
  })
})

/** A listener whose queue of half-open connections is full. */
function crowded(backlog = 2): Scene {
  const begun = listening({}, backlog, 4)
  for (let port = 1; port <= backlog; port++) begun.host.send({ seq: 1, flags: TCP_SYN, remotePort: port })
  begun.host.sent()
  return begun
}

type Answer = ReturnType<Host['sent']>[number]

function askCookie(host: Host, options: Partial<wire.TcpOptions>, segment: SegmentOptions = {}): Answer {
  host.send({ seq: PEER_ISS, flags: TCP_SYN, options, ...segment })
  const [answer] = host.sent()
  return answer
}

describe('LISTEN under pressure', () => {
  it('SYN beyond the backlog -> SYN-ACK with a cookie, nothing kept (RFC 4987, 3.6)', () => {
    const { host } = crowded()
    const answer = askCookie(host, PEER_OPTIONS)
    expect(answer).toMatchObject({ flags: TCP_SYN | TCP_ACK, ack: PEER_ISS + 1, options: { mss: 1460, windowScale: 0 } })
    expect(answer.options.timestamps?.echo).toBe(500)
    expect([host.count('flowsSynReceived'), host.count('synCookiesSent'), host.count('synDropped')]).toEqual([2, 1, 0])
    expect(host.logged).toContain('more SYNs than the backlog holds: answering with SYN cookies')
  })

  it('SYN that is kept -> its SYN-ACK again after a second, six times; two minutes later from the handshake timeout on', () => {
    const { host } = crowded()
    askCookie(host, {})
    host.send({ seq: 2, flags: TCP_RST, remotePort: 1 })
    host.send({ seq: 1, flags: TCP_SYN, remotePort: 9 })
    const answers = (): number => host.sent().filter(({ targetPort }) => targetPort === 9).length
    expect([answers(), host.count('synCookiesSent')]).toEqual([1, 1])
    host.advance(990_000)
    expect(answers()).toBe(0)
    host.advance(20_000)
    expect(answers()).toBe(1)
    host.advance(119_000_000)
    expect(answers()).toBe(5)
    host.advance(60_000_000)
    expect(host.count('flowsSynReceived')).toBe(0)
    host.send({ seq: 1, flags: TCP_SYN, remotePort: 9 })
    answers()
    host.advance(100_000)
    expect(answers()).toBeGreaterThan(2)
  })

  it('SYN without timestamps -> no window scale, no SACK in the answer', () => {
    const { host } = crowded()
    const answer = askCookie(host, { mss: 1400, windowScale: 7, sackPermitted: true })
    expect(answer.options).toEqual({ ...wire.NO_OPTIONS, mss: 1460 })
  })

  it('its ACK with data -> ESTABLISHED with the options of the SYN; the data goes to the worker', () => {
    const { host, context } = crowded()
    const { seq, options } = askCookie(host, PEER_OPTIONS)
    host.advance(300)
    host.sent()
    const payload = Uint8Array.of(1, 2, 3)
    const timestamps = { value: 510, echo: options.timestamps?.value ?? 0 }
    host.send({ seq: PEER_ISS + 1, ack: seq + 1, flags: TCP_ACK, window: 9, options: { timestamps }, payload })
    expect(context.read()).toMatchObject([{ type: EV_LISTEN_NEWCONN, handle: LISTENER }])
    const commands = host.worker.read()
    expect(commands.map(({ type }) => type)).toEqual([TO_FAST_FLOW_ADD, TO_FAST_PACKET])
    expect([...(commands[1].packet ?? []).slice(-3)]).toEqual([1, 2, 3])
    const { flow } = commands[0]
    const { halves, bytes, tcbWord } = host.state
    const words = [TCB_RCV_NXT, TCB_RX_BASE, TCB_SND_UNA, TCB_SND_WND, TCB_TS_RECENT, TCB_SRTT_US8].map((word) => host.tcb(flow, word))
    expect(words).toEqual([PEER_ISS + 1, PEER_ISS + 1, (seq + 1) | 0, 9 << 7, 510, 0])
    expect(host.tcb(flow, TCB_FLAGS) & FLAG_TIMESTAMPS).toBe(FLAG_TIMESTAMPS)
    expect([halves[(tcbWord + flow * 32) * 2 + TCB_MSS_U16], bytes[(tcbWord + flow * 32) * 4 + TCB_SND_WSCALE_U8]]).toEqual([1448, 7])
    expect([host.count('synCookiesReceived'), host.count('connectionsAccepted'), host.count('flowsEstablished')]).toEqual([1, 1, 1])
  })

  it('SYN with SACK and ECN, ACK -> both are in force, as in a handshake that was kept (RFC 2018, RFC 3168)', () => {
    const { host } = crowded()
    const answer = askCookie(host, PEER_OPTIONS, { flags: TCP_SYN | wire.TCP_ECE | wire.TCP_CWR })
    expect([answer.flags & wire.TCP_ECE, answer.options.sackPermitted]).toEqual([wire.TCP_ECE, true])
    const timestamps = { value: 510, echo: answer.options.timestamps?.value ?? 0 }
    host.send({ seq: PEER_ISS + 1, ack: answer.seq + 1, flags: TCP_ACK, options: { timestamps } })
    const { flow } = host.worker.read()[0]
    const agreed = FLAG_TIMESTAMPS | FLAG_SACK | FLAG_ECN
    expect(host.tcb(flow, TCB_FLAGS) & agreed).toBe(agreed)
  })

  it('its ACK lost, the first data comes instead -> ESTABLISHED; later data before it -> dropped, no RST', () => {
    const { host } = crowded()
    const { seq } = askCookie(host, {})
    host.send({ seq: PEER_ISS + 11, ack: seq + 1, flags: TCP_ACK, payload: new Uint8Array(10) })
    expect(host.sent()).toEqual([])
    host.send({ seq: PEER_ISS + 1, ack: seq + 1, flags: TCP_ACK, payload: new Uint8Array(10) })
    expect([host.count('flowsEstablished'), host.count('synCookiesFailed')]).toEqual([1, 1])
  })

  it('ACK that is no cookie -> RST with its number, counted (RFC 9293, 3.10.7.2)', () => {
    const { host } = crowded()
    const { seq } = askCookie(host, {})
    host.send({ seq: PEER_ISS + 1, ack: seq + 0x40000000, flags: TCP_ACK })
    expect(host.sent()).toMatchObject([{ seq: (seq + 0x40000000) | 0, flags: TCP_RST }])
    expect([host.count('synCookiesFailed'), host.count('flowsEstablished')]).toEqual([1, 0])
  })

  it('ACK behind data that was lost, as a SYN-ACK that comes twice is answered -> no RST (seed 2)', () => {
    const { host } = crowded()
    const { seq } = askCookie(host, {})
    host.send({ seq: PEER_ISS + 3001, ack: seq + 1, flags: TCP_ACK })
    expect(host.sent()).toEqual([])
    host.send({ seq: PEER_ISS + 1, ack: seq + 1, flags: TCP_ACK, payload: new Uint8Array(10) })
    expect(host.count('flowsEstablished')).toBe(1)
  })

  it('SYN answered with a cookie, then once more and kept; ACK of the cookie -> ESTABLISHED, no RST (seed 707)', () => {
    const { host } = crowded()
    const { seq } = askCookie(host, {})
    host.send({ seq: 2, flags: TCP_RST, remotePort: 1 })
    host.send({ seq: PEER_ISS, flags: TCP_SYN })
    const [kept] = host.sent()
    expect(kept).toMatchObject({ flags: TCP_SYN | TCP_ACK, ack: PEER_ISS + 1 })
    expect(kept.seq).not.toBe(seq)
    host.send({ seq: PEER_ISS + 2, ack: seq + 1, flags: TCP_ACK, payload: new Uint8Array(9) })
    expect([host.sent(), host.count('flowsEstablished')]).toEqual([[], 0])
    host.send({ seq: PEER_ISS + 1, ack: seq + 1, flags: TCP_ACK, payload: new Uint8Array(10) })
    expect([host.sent(), host.count('flowsEstablished'), host.count('flowsSynReceived')]).toEqual([[], 1, 1])
  })

  it('cookies sent long ago, or never -> a stray ACK is not looked at', () => {
    const { host } = crowded()
    const { seq } = askCookie(host, {})
    host.advance(3 * COOKIE_SLOT_US)
    host.sent()
    host.send({ seq: PEER_ISS + 1, ack: seq + 1, flags: TCP_ACK })
    expect(host.sent()).toMatchObject([{ flags: TCP_RST }])
    const quiet = listening()
    quiet.host.send({ seq: 1, ack: 5, flags: TCP_ACK })
    expect([host.count('synCookiesFailed'), quiet.host.count('synCookiesFailed')]).toEqual([0, 0])
  })

  it('an old cookie -> refused though new ones are being sent', () => {
    const { host } = crowded()
    const { seq } = askCookie(host, {})
    for (let slot = 0; slot < 3; slot++) {
      host.advance(COOKIE_SLOT_US)
      for (let port = 1; port <= 4; port++) host.send({ seq: 1, flags: TCP_SYN, remotePort: port })
    }
    host.sent()
    host.send({ seq: PEER_ISS + 1, ack: seq + 1, flags: TCP_ACK })
    expect(host.sent()).toMatchObject([{ flags: TCP_RST }])
    expect(host.count('synCookiesFailed')).toBe(1)
  })

  it('the ACK twice -> one connection; the second belongs to it', () => {
    const { host } = crowded()
    const { seq } = askCookie(host, {})
    for (let i = 0; i < 2; i++) host.send({ seq: PEER_ISS + 1, ack: seq + 1, flags: TCP_ACK })
    expect([host.count('flowsEstablished'), host.count('synCookiesReceived'), host.count('reinjectedPackets')]).toEqual([1, 1, 1])
  })

  it('cookie ACK when the accept queue is full -> dropped without RST; once there is room the next segment succeeds', () => {
    const { host, context } = listening({}, 1, 4)
    host.send({ seq: PEER_ISS, flags: TCP_SYN, remotePort: 1 })
    const [first] = host.sent()
    const { seq } = askCookie(host, {})
    host.send({ seq: PEER_ISS + 1, ack: first.seq + 1, flags: TCP_ACK, remotePort: 1 })
    host.send({ seq: PEER_ISS + 1, ack: seq + 1, flags: TCP_ACK })
    expect(host.sent()).toEqual([])
    expect([host.count('acceptOverflows'), host.count('flowsEstablished')]).toEqual([1, 1])
    context.request(REQ_LISTEN_ACCEPT, 1, { listener: LISTENER })
    host.send({ seq: PEER_ISS + 1, ack: seq + 1, flags: TCP_ACK, payload: new Uint8Array(1) })
    expect(host.count('flowsEstablished')).toBe(2)
  })

  it('no memory for a cookie ACK -> nothing is left of it; with memory the next segment succeeds', () => {
    const { host, context } = listening({}, 2, 1)
    shakeHands(host, 9)
    for (const remotePort of [1, 2]) host.send({ seq: 1, flags: TCP_SYN, remotePort })
    host.sent()
    const { seq } = askCookie(host, {})
    host.send({ seq: PEER_ISS + 1, ack: seq + 1, flags: TCP_ACK })
    expect([host.count('flowsEstablished'), host.count('flowsSynReceived'), host.count('acceptOverflows')]).toEqual([1, 2, 1])
    context.request(REQ_LISTEN_ACCEPT, 1, { listener: LISTENER })
    const event = context.read().find(({ type }) => type === EV_LISTEN_ACCEPT)
    context.request(REQ_CONN_CLOSE, 1, { flow: event?.flow ?? -1, gen: event?.gen ?? 0, flags: 1 })
    host.work()
    host.send({ seq: PEER_ISS + 1, ack: seq + 1, flags: TCP_ACK | TCP_FIN })
    expect(host.count('flowsEstablished')).toBe(1)
  })

  it('ACK of a half-open connection when the accept queue is full -> stays half-open, succeeds later', () => {
    const { host, context } = listening({}, 2, 4)
    host.send({ seq: PEER_ISS, flags: TCP_SYN, remotePort: 1 })
    const [answer] = host.sent()
    for (const port of [2, 3]) shakeHands(host, port)
    host.send({ seq: PEER_ISS + 1, ack: answer.seq + 1, flags: TCP_ACK, remotePort: 1 })
    expect([host.count('flowsEstablished'), host.count('flowsSynReceived'), host.count('acceptOverflows')]).toEqual([2, 1, 1])
    context.request(REQ_LISTEN_ACCEPT, 1, { listener: LISTENER })
    host.send({ seq: PEER_ISS + 1, ack: answer.seq + 1, flags: TCP_ACK, remotePort: 1 })
    expect(host.count('flowsEstablished')).toBe(3)
  })

  it('SYNs without end -> half-open connections are bounded over all listeners, and hold no buffers', () => {
    const { host } = listening({}, 65_535)
    for (let i = 0; i < HALF_OPEN_MAX + 500; i++) host.send({ seq: 1, flags: TCP_SYN, remotePort: 1 + (i & 0x7fff), localIp: OUR_IP })
    expect([host.count('flowsSynReceived'), host.count('synCookiesSent'), host.count('bufferBytes')]).toEqual([HALF_OPEN_MAX, 500, 0])
  })
})
