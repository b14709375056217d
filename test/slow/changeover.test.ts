/** Connections follow their group to another worker: what each worker is told, and in which order. */
import { describe, expect, it } from 'vitest'
import {
  FLOW_GROUPS, FLOW_HANDED, flowState, MOVE_TURN, MOVE_WORDS, REQ_CONN_CLOSE, SF_FLOW, SF_GEN, SF_TURN, TCB_BYTES, TCB_RCV_NXT, TCB_SND_UNA,
  TCB_STATE_U8, TO_FAST_FLOW_ACK, TO_FAST_FLOW_ENTER, TO_FAST_FLOW_FLAGS, TO_FAST_FLOW_LEAVE, TO_FAST_FLOW_REMOVE,
  TO_FAST_FLOW_RX_SHUT, TO_FAST_PACKET, TO_SLOW_FLOW_LEFT,
} from '../../lib/memif/index.js'
import { shareGroups, type SteerPort } from '../../service/slow/steering.js'
import { type HostOptions, segmentFrame } from './harness.js'
import { accepted, CONNECTION, type Open, TCP_ACK } from './scenes.js'

interface Moving extends Open {
  readonly from: number
  readonly to: number
  /** Types of the commands that a worker finds now. */
  types(worker: number): number[]
  /** The worker has let go of the flow. */
  left(worker: number, turn?: number): void
}

/** An accepted connection whose group goes to the other one of two workers. */
function moving(options: HostOptions = {}): Moving {
  const open = accepted({ workers: 2, ...options })
  const { host, flow, gen } = open
  const connection = host.slow['stack'].flows.find(flow, gen)
  if (connection === null) throw new Error('no connection')
  const from = connection.worker
  host.workers.forEach((worker) => worker.read())
  host.slow['stack'].steering.change(new Uint8Array(FLOW_GROUPS).fill(1 - from))
  host.poll()
  return {
    ...open, from, to: 1 - from,
    types: (worker) => host.workers[worker].read().map(({ type }) => type),
    left: (worker, turn = 1) => {
      host.workers[worker].message(TO_SLOW_FLOW_LEFT, { [SF_FLOW]: flow, [SF_GEN]: gen, [SF_TURN]: turn })
      host.poll()
    },
  }
}

/** The next segment of the peer, and where it arrives. */
function segment({ host, flow }: Moving, worker: number, seqOffset = 0): void {
  const ack = host.tcb(flow, TCB_SND_UNA)
  const seq = host.tcb(flow, TCB_RCV_NXT) + seqOffset
  host.receiveFrame(segmentFrame({ seq, ack, flags: TCP_ACK, payload: Uint8Array.of(1 + seqOffset) }), -1, 0, 0, worker)
}

describe('a group gets another worker', () => {
  it('its connection -> told to leave; the new worker hears of it when the old one has let go', () => {
    const scene = moving()
    const { host, from, to, flow } = scene
    expect([scene.types(from), scene.types(to)]).toEqual([[TO_FAST_FLOW_LEAVE], []])
    scene.left(from)
    const { state } = host
    expect(state.bytes[state.tcbWord * 4 + flow * TCB_BYTES + TCB_STATE_U8]).toBe(flowState(FLOW_HANDED, to))
    expect(state.words[state.places.movesWord + flow * MOVE_WORDS + MOVE_TURN]).toBe(1)
    expect([scene.types(from), scene.types(to)]).toEqual([[], [TO_FAST_FLOW_ENTER]])
    expect(host.count('flowsMoved')).toBe(1)
  })

  it('frames reach the new worker first -> held in order, behind TO_FAST_FLOW_ENTER', () => {
    const scene = moving()
    const { host, from, to } = scene
    for (const offset of [0, 1, 2]) segment(scene, to, offset)
    expect(scene.types(to)).toEqual([])
    scene.left(from)
    const commands = host.workers[to].read()
    expect(commands.map(({ type }) => type)).toEqual([TO_FAST_FLOW_ENTER, TO_FAST_PACKET, TO_FAST_PACKET, TO_FAST_PACKET])
    expect(commands.slice(1).map(({ packet }) => packet?.at(-1))).toEqual([1, 2, 3])
  })

  it('orders meanwhile -> for the new worker, each once, in order', () => {
    const scene = moving()
    const { host, from, to, flow, gen } = scene
    const channel = host.slow['stack'].workers[to]
    channel.flow(TO_FAST_FLOW_ACK, { flow, gen })
    channel.flags({ flow, gen }, 1, 0)
    channel.flow(TO_FAST_FLOW_ACK, { flow, gen })
    scene.left(from)
    expect(scene.types(to)).toEqual([TO_FAST_FLOW_ENTER, TO_FAST_FLOW_ACK, TO_FAST_FLOW_FLAGS])
  })

  it('the application aborts meanwhile -> removed by the new worker', () => {
    const scene = moving()
    const { context, from, to, flow, gen } = scene
    context.request(REQ_CONN_CLOSE, CONNECTION, { flow, gen, flags: 1 })
    expect(scene.types(from)).toEqual([TO_FAST_FLOW_LEAVE])
    scene.left(from)
    expect(scene.types(to)).toEqual([TO_FAST_FLOW_ENTER, TO_FAST_FLOW_REMOVE])
  })

  it('the application closes meanwhile -> the new worker is told', () => {
    const scene = moving()
    scene.context.request(REQ_CONN_CLOSE, CONNECTION, { flow: scene.flow, gen: scene.gen })
    scene.left(scene.from)
    expect(scene.types(scene.to)).toContain(TO_FAST_FLOW_RX_SHUT)
  })

  it('answers of an earlier turn, of the wrong worker, a second one -> nothing', () => {
    const scene = moving()
    const { from, to } = scene
    scene.left(from, 0)
    scene.left(to)
    expect(scene.types(to)).toEqual([])
    scene.left(from)
    scene.left(from)
    expect(scene.types(to)).toEqual([TO_FAST_FLOW_ENTER])
  })

  it('the old worker dies -> the next one is told again', () => {
    const scene = moving()
    const { host, from, to } = scene
    expect(scene.types(from)).toEqual([TO_FAST_FLOW_LEAVE])
    host.slow.workerDied(from, host.nowUs)
    expect([scene.types(from), scene.types(to)]).toEqual([[TO_FAST_FLOW_LEAVE], []])
    host.slow.workerDied(to, host.nowUs)
    expect(scene.types(from)).toEqual([])
    scene.left(from)
    expect(scene.types(to)).toEqual([TO_FAST_FLOW_ENTER])
  })

  it('the group goes back before the worker has let go -> there and back, one after the other', () => {
    const scene = moving()
    const { host, from, to } = scene
    host.slow['stack'].steering.change(new Uint8Array(FLOW_GROUPS).fill(from))
    host.poll()
    expect([scene.types(from), scene.types(to)]).toEqual([[TO_FAST_FLOW_LEAVE], []])
    scene.left(from)
    expect(scene.types(to)).toEqual([TO_FAST_FLOW_ENTER, TO_FAST_FLOW_LEAVE])
    scene.left(to, 2)
    expect(scene.types(from)).toEqual([TO_FAST_FLOW_ENTER])
  })

  it('the port is still at it -> nobody is told; a table that comes meanwhile is given to the port next', () => {
    const calls: (() => void)[] = []
    const steer: SteerPort = (_table, done) => void calls.push(() => done(true))
    const { host, types, from } = moving({ steer })
    expect([calls.length, types(from)]).toEqual([1, []])
    calls.shift()?.()
    expect(calls).toHaveLength(1)
    host.poll()
    expect(types(from)).toEqual([])
    calls.shift()?.()
    host.poll()
    expect(types(from)).toEqual([TO_FAST_FLOW_LEAVE])
  })
})

it('the port cannot steer -> a warning; connections follow all the same', () => {
  const { host, types, from } = moving({ steer: (_table, done) => done(false) })
  expect([types(from), host.logged.some((line) => line.includes('does not steer'))]).toEqual([[TO_FAST_FLOW_LEAVE], true])
})

describe('a frame at the new worker while the port is still at it', () => {
  it('the first -> connections follow at once; when the port is done nobody is told again', () => {
    const calls: (() => void)[] = []
    const scene = moving({ steer: (_table, done) => void calls.push(() => done(true)) })
    calls.shift()?.()
    segment(scene, scene.to)
    segment(scene, scene.to, 1)
    scene.host.poll()
    expect(scene.types(scene.from)).toEqual([TO_FAST_PACKET, TO_FAST_FLOW_LEAVE])
    calls.shift()?.()
    scene.host.poll()
    expect(scene.types(scene.from)).toEqual([])
    scene.left(scene.from)
    expect(scene.types(scene.to)).toEqual([TO_FAST_FLOW_ENTER, TO_FAST_PACKET])
  })
})

describe('groups are shared out', () => {
  it.each([[1, 2], [2, 3], [4, 3], [16, 1], [3, 16], [5, 5]])('%i workers, then %i -> even, and no group moves that need not', (before, after) => {
    const old = shareGroups(new Uint8Array(FLOW_GROUPS), before)
    const table = shareGroups(old, after)
    const counts = Array.from({ length: after }, (_, worker) => table.filter((each) => each === worker).length)
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
    const moved = table.filter((worker, group) => worker !== old[group]).length
    // As many as those that are new get, or those that are not used any more had.
    expect(moved).toBeLessThanOrEqual(Math.ceil(FLOW_GROUPS / Math.max(before, after)) * Math.abs(after - before))
  })
})
