/** What the slow path tells of its state: lists, and one connection in full. */
import { describe, expect, it } from 'vitest'
import {
  FLOW_OWNED, placeContext, TCB_FIELDS, TCB_SND_END, TCB_SND_MAX, TCB_SND_NXT, TCB_SND_UNA, tcbFieldValue, WHAT_ACTIVE, type ContextRow,
  type FlowDetail, type FlowQuery, type ListenerRow, type WorkerRow,
} from '../../lib/memif/index.js'
import { OUR_IP, PEER_IP, PEER_PORT, RX_BUF } from './harness.js'
import { acceptOn, begun, listenOn } from './congestion/scenes.js'
import { accepted, listening, PEER_ISS, PEER_OPTIONS, shakeHands, TCP_SYN, type Open } from './scenes.js'

const SYN_BY: FlowQuery = { localIp: OUR_IP, localPort: 80, remoteIp: PEER_IP, remotePort: PEER_PORT }

function describeOpen({ host, flow }: Open): FlowDetail {
  const detail = host.slow.describeFlow({ flow }, host.nowUs)
  if (detail === null) throw new Error('no such flow')
  return detail
}

describe('state: lists', () => {
  it('listeners -> backlog, half-open connections, those that wait', () => {
    const { host } = listening({}, 16)
    shakeHands(host)
    host.send({ seq: PEER_ISS, flags: TCP_SYN, remotePort: PEER_PORT + 1 })
    const [row] = host.slow.listState('listeners').next(host.nowUs).rows as readonly ListenerRow[]
    expect(row).toMatchObject({ app: 1, context: 0, port: 80, backlog: 16, halfOpen: 1, waiting: 1, accepts: 0, isShared: false })
  })

  it('contexts -> fill of every ring; a program that breaks its counters is told of', () => {
    const { host, app, context } = listening({}, 16)
    shakeHands(host)
    const read = (): ContextRow => host.slow.listState('contexts').next(host.nowUs).rows[0] as ContextRow
    const before = read()
    expect(before).toMatchObject({ app: 1, context: 0, isAsleep: false, isBlocked: false, requests: [0, expect.any(Number)] })
    expect(before.slowEvents[0]).toBeGreaterThan(0)
    expect(before.events).toEqual([[0, 8]])
    const { words } = context
    const { bumps, sleepingWord } = placeContext(app.shape, 0)
    words[bumps[0].firstWord] = 5
    words[sleepingWord] = 1
    expect(read()).toMatchObject({ isAsleep: true, bumps: [[5, 8]] })
    words[bumps[0].firstWord] = -5
    expect(read().bumps).toEqual([[-1, 8]])
  })

  it('workers -> whether they sleep, fill of their rings', () => {
    const open = accepted()
    open.host.worker.doorbellWords[0] = 1
    const [row] = open.host.slow.listState('workers').next(open.host.nowUs).rows as readonly WorkerRow[]
    expect(row).toMatchObject({ worker: 0, isAsleep: true, waitingCommands: 0, toSlow: [0, expect.any(Number)] })
  })

  it('a part without rows -> an empty page, and no more', () => {
    const { host } = listening({}, 16)
    expect(host.slow.listState('flows').next(host.nowUs)).toEqual({ rows: [], more: false })
  })
})

describe('state: one connection', () => {
  it('by its ends and by its number -> the same; another -> null', () => {
    const open = accepted({}, PEER_OPTIONS)
    const { host, flow } = open
    const query = { localIp: OUR_IP, localPort: open.localPort, remoteIp: PEER_IP, remotePort: open.remotePort }
    expect(host.slow.describeFlow(query, host.nowUs)).toEqual(describeOpen(open))
    expect(host.slow.describeFlow({ flow: flow + 1 }, host.nowUs)).toBe(null)
    expect(host.slow.describeFlow({ flow: -1 }, host.nowUs)).toBe(null)
    expect(host.slow.describeFlow({ ...query, remotePort: 1 }, host.nowUs)).toBe(null)
  })

  it('established -> words of its TCB, state, congestion control with its own values', () => {
    const open = accepted({}, PEER_OPTIONS)
    const { tcb, connection, congestion, recovery, timers } = describeOpen(open)
    const words = Int32Array.from(tcb ?? [])
    const value = (name: string): number => tcbFieldValue(words, TCB_FIELDS.find((field) => field.name === name) ?? TCB_FIELDS[0])
    expect([value('rcvNxt'), value('state'), 2 ** value('rxLog2')]).toEqual([(PEER_ISS + 1) >>> 0, FLOW_OWNED, RX_BUF])
    expect(connection).toMatchObject({ state: 'ESTABLISHED', phase: 'worker', isActive: false, irs: PEER_ISS >>> 0, isAppKnown: true })
    expect(congestion?.['algorithm']).toBe('cubic')
    expect(Object.keys(congestion ?? {})).toEqual(expect.arrayContaining(['own.wMax', 'own.epochUs']))
    expect([recovery, timers]).toEqual([null, {}])
  })

  it('something in flight -> the timer, as of the time that is asked', () => {
    const open = accepted({}, PEER_OPTIONS)
    const { host, flow, gen } = open
    const una = host.tcb(flow, TCB_SND_UNA)
    for (const word of [TCB_SND_NXT, TCB_SND_MAX, TCB_SND_END]) host.setTcb(flow, word, una + 100)
    host.report(flow, gen, WHAT_ACTIVE)
    const { retransmissionUs } = describeOpen(open).timers
    expect(retransmissionUs).toBeGreaterThan(0)
    expect(host.slow.describeFlow({ flow }, host.nowUs + 50)?.timers['retransmissionUs']).toBe(retransmissionUs - 50)
    expect(describeOpen(open).connection).toMatchObject({ isWatched: true })
  })

  it('half-open -> no TCB, its handshake timer', () => {
    const { host } = listening({}, 16)
    host.send({ seq: PEER_ISS, flags: TCP_SYN, remotePort: PEER_PORT })
    const detail = host.slow.describeFlow(SYN_BY, host.nowUs)
    expect(detail).toMatchObject({ tcb: null, congestion: null, connection: { state: 'SYN-RECEIVED', phase: 'none' } })
    expect(detail?.timers['handshakeUs']).toBeGreaterThan(0)
  })

  it('an algorithm that keeps anything at all -> numbers and texts alone, as many as fit; nothing of it runs', () => {
    class Inner { depth = 1; again: unknown = this }
    class Odd {
      big = 2n
      text = 'x'.repeat(1000)
      inner = new Inner()
      config = { secret: 1 }
      many = new Array<number>(1000).fill(1)

      constructor() {
        for (let i = 0; i < 100; i++) Object.assign(this, { [`n${i}`]: i })
        Object.defineProperty(this, 'trap', { enumerable: true, get: () => { throw new Error('was called') } })
      }

      update(): void {}

      onLoss(): number {
        return 1
      }
    }
    const begin = begun({ cc: { algorithm: 'module' }, module: { name: 'odd', looks: 'limited', create: () => new Odd() } })
    listenOn(begin)
    const { congestion } = describeOpen(acceptOn(begin).open)
    const own = Object.entries(congestion ?? {}).filter(([name]) => name.startsWith('own.'))
    expect([congestion?.['algorithm'], own.length]).toEqual(['odd', 32])
    expect(own.slice(0, 3)).toEqual([['own.text', 'x'.repeat(64)], ['own.inner.depth', 1], ['own.inner.again.depth', 1]])
    expect(own.every(([name, value]) => name.length <= 64 && String(value).length <= 64)).toBe(true)
  })
})
