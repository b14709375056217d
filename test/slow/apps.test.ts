/** Applications: limits, bad requests, full rings, death; and rings to workers that are full. */
import { describe, expect, it } from 'vitest'
import {
  TCB_ACKED_BYTES,
  APPS_MAX, CONTEXT_NONE, CONTEXTS_MAX, EV_CONN_CLOSED, EV_CONN_MOVED, EV_CONN_OPEN, EV_LISTEN_CLOSED,
  EV_LISTEN_NEWCONN, EV_LISTEN_OPEN, REQ_CONN_CLOSE, REQ_CONN_MOVE, REQ_CONN_OPEN, REQ_LISTEN_ACCEPT, REQ_LISTEN_OPEN,
  SF_FLOW, SF_GEN, TCB_CONTEXT_U16, TO_FAST_APP_ADD, TO_FAST_APP_REMOVE, TO_FAST_CONTEXT_ADD, TO_FAST_FLOW_ADD, TO_FAST_FLOW_CONTEXT,
  TO_FAST_FLOW_REMOVE, TO_FAST_PACKET, TO_SLOW_FLOW_REMOVED, WHAT_CWND_LIMITED,
} from '../../lib/memif/index.js'
import { RegistryError } from '../../service/slow/index.js'
import { Host, LISTEN_PORT, PEER_IP } from './harness.js'
import {
  accepted, CONNECTION, connecting, LISTENER, listening, PEER_ISS, scene, shakeHands, TCP_ACK, TCP_RST, TCP_SYN,
} from './scenes.js'

const X = { name: 'x', pid: 1, uid: 0 }

describe('registration', () => {
  it('an application and its contexts -> workers get descriptors, then the message', () => {
    const host = new Host()
    const { id, addContext } = host.addApp()
    addContext()
    expect(host.worker.apps).toEqual([`app ${id}`, `context ${id}.0`, `context ${id}.1`])
    expect(host.worker.read().map(({ type, app, context }) => [type, app, context])).toEqual(
      [[TO_FAST_APP_ADD, id, 0], [TO_FAST_CONTEXT_ADD, id, 0], [TO_FAST_CONTEXT_ADD, id, 1]])
    expect([host.count('apps'), host.count('contexts')]).toEqual([1, 2])
    expect(host.worker.rings).toBe(1)
  })

  it('a region too small, too large, not whole pages -> RegistryError EINVAL', () => {
    const { host } = scene()
    for (const bytes of [4096, (1 << 22) + 4096, (1 << 21) + 8]) {
      expect(() => host.slow.apps.addApp({ buffer: new ArrayBuffer(bytes), fd: -1 }, X)).toThrow(RegistryError)
    }
    expect(() => host.slow.apps.addContext(200, { wake: () => undefined })).toThrow(/no application 200/)
  })

  it('more contexts or applications than there can be -> RegistryError EMFILE; a removed id is free again', () => {
    const { host, app } = scene({ toFastEntries: 1024 })
    for (let i = 1; i < CONTEXTS_MAX; i++) app.addContext()
    expect(() => app.addContext()).toThrow(/64 contexts/)
    const buffer = new ArrayBuffer(app.shape.regionBytes)
    for (let i = 2; i < APPS_MAX; i++) host.slow.apps.addApp({ buffer, fd: -1 }, X)
    expect(() => host.slow.apps.addApp({ buffer, fd: -1 }, X)).toThrow(/255 applications/)
    host.slow.apps.removeApp(17)
    expect(() => host.slow.apps.addApp({ buffer, fd: -1 }, X)).toThrow(/255 applications/)
    host.work()
    expect(host.slow.apps.addApp({ buffer, fd: -1 }, X)).toBe(17)
  })
})

describe('requests', () => {
  it('unknown type, listener, flow -> counted, logged at most five times a second', () => {
    const { host, context } = scene()
    for (let i = 0; i < 5; i++) {
      context.request(99, 1)
      context.request(3, 1)
      context.request(2, 1)
      context.request(REQ_CONN_CLOSE, 1, { flow: 1 << 20, gen: 1 })
    }
    expect(host.count('appRequests')).toBe(20)
    expect(host.count('appBadRequests')).toBe(15)
    expect(host.logged).toHaveLength(5)
  })

  it('another application\'s connection, a wrong handle, a wrong generation -> untouched', () => {
    const { host, flow, gen } = accepted()
    const { context } = host.addApp()
    context.request(REQ_CONN_CLOSE, CONNECTION, { flow, gen, flags: 1 })
    context.request(REQ_CONN_MOVE, CONNECTION, { flow, gen, context: 0 })
    expect(host.count('appBadRequests')).toBe(2)
    context.request(REQ_CONN_CLOSE, CONNECTION, { flow, gen: gen + 1, flags: 1 })
    expect([host.count('flowsEstablished'), context.read(), host.count('appBadRequests')]).toEqual([1, [], 2])
  })

  it('CONN_MOVE -> EV_CONN_MOVED to the new context, then FLOW_CONTEXT; to nowhere -> EINVAL', () => {
    const { host, app, context, flow, gen } = accepted()
    const second = app.addContext()
    host.worker.read()
    context.request(REQ_CONN_MOVE, CONNECTION, { flow, gen, context: 1 })
    expect(second.read()).toMatchObject([{ type: EV_CONN_MOVED, handle: CONNECTION, flow, gen, status: 0 }])
    expect(host.worker.read()).toMatchObject([{ type: TO_FAST_FLOW_CONTEXT, flow, context: 1 }])
    context.request(REQ_CONN_MOVE, CONNECTION, { flow, gen, context: 9 })
    expect(context.read()).toMatchObject([{ type: EV_CONN_MOVED, status: 22 }])
  })

  it('a corrupt request ring -> the application is ended, the service is told', () => {
    const { host, app, context } = accepted()
    Atomics.store(context.words, context.places.kout.firstWord, -5)
    expect(host.slow.hasWork()).toBe(true)
    host.poll()
    expect([host.ended, host.count('apps')]).toEqual([[app.id], 0])
    expect(host.work().map(({ type }) => type)).toEqual([TO_FAST_FLOW_CONTEXT, TO_FAST_FLOW_REMOVE])
  })

  it('a sleeping context -> woken once its events are visible', () => {
    const { context } = scene()
    Atomics.store(context.words, context.places.sleepingWord, 1)
    context.request(REQ_LISTEN_OPEN, 1, { ports: 80 })
    expect(context.wakes).toBe(1)
    expect(context.read()).toMatchObject([{ type: EV_LISTEN_OPEN }])
  })
})

describe('full event ring', () => {
  it('events wait in order, requests are not read meanwhile, nothing is lost', () => {
    const { host, context } = scene()
    for (let i = 0; i < 16; i++) context.request(REQ_LISTEN_OPEN, i, { ports: 100 + i })
    for (let i = 16; i < 20; i++) context.request(REQ_LISTEN_OPEN, i, { ports: 100 + i })
    expect(host.count('listeners')).toBe(17)
    expect(host.slow.nextDeadlineUs()).toBeLessThanOrEqual(host.nowUs + 128_000)
    expect(host.slow.hasWork()).toBe(false)
    const first = context.read()
    host.poll()
    host.poll()
    expect([...first, ...context.read()].map(({ handle }) => handle)).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(host.slow.nextDeadlineUs()).toBe(Infinity)
  })

  it('EV_CONN_OPEN has no room -> the worker gets the context only when it is there', () => {
    const { host, context, syn } = connecting()
    for (let i = 0; i < 17; i++) context.request(REQ_LISTEN_OPEN, i, { ports: 100 + i })
    host.send({ remotePort: 8080, localPort: syn.sourcePort, seq: 5, ack: syn.seq + 1, flags: TCP_SYN | TCP_ACK })
    const [add] = host.worker.read()
    expect(add.type).toBe(TO_FAST_FLOW_ADD)
    expect(host.state.halves[(host.state.tcbWord + add.flow * 32) * 2 + TCB_CONTEXT_U16]).toBe(CONTEXT_NONE)
    context.read()
    host.poll()
    expect(context.read().at(-1)).toMatchObject({ type: EV_CONN_OPEN, flow: add.flow })
    expect(host.worker.read()).toMatchObject([{ type: TO_FAST_FLOW_CONTEXT, flow: add.flow, context: 0 }])
  })
})

describe('event ring that nobody reads', () => {
  it('connections that come and go -> SYNs are dropped before events pile up', () => {
    const { host } = listening()
    for (let port = 1; port <= 40; port++) {
      host.send({ seq: 1, flags: TCP_SYN, remotePort: port })
      const [synAck] = host.sent()
      if (synAck === undefined) continue
      host.send({ seq: 2, ack: synAck.seq + 1, flags: TCP_ACK, remotePort: port })
      host.send({ seq: 2, flags: TCP_RST, remotePort: port })
      for (let i = 0; i < 2; i++) host.work()
    }
    expect([host.count('connectionsAccepted'), host.count('synDropped')]).toEqual([17, 23])
  })
})

describe('full command ring', () => {
  it('commands wait in order and are not doubled', () => {
    const { host } = listening({ toFastEntries: 4 }, 8)
    for (let remotePort = 1; remotePort <= 4; remotePort++) {
      const iss = shakeHands(host, remotePort)
      host.send({ seq: PEER_ISS + 1, ack: iss + 1, flags: TCP_ACK, remotePort, payload: Uint8Array.of(remotePort) })
    }
    expect(host.slow.nextDeadlineUs()).toBeLessThanOrEqual(host.nowUs + 128_000)
    const all: number[] = []
    for (let i = 0; i < 4; i++) all.push(...host.work().map(({ type }) => type))
    expect(all).toEqual([1, 2, 3, 4].flatMap(() => [TO_FAST_FLOW_ADD, TO_FAST_PACKET]))
  })

  it('the same command for a flow again -> waits once', () => {
    const { host, flow, gen } = accepted({ toFastEntries: 2 })
    for (let i = 1; i <= 50; i++) {
      host.nowUs += 1000
      host.setTcb(flow, TCB_ACKED_BYTES, i)
      host.report(flow, gen, WHAT_CWND_LIMITED)
    }
    const all: number[] = []
    for (let i = 0; i < 10; i++) all.push(...host.work().map(({ type }) => type))
    expect(all).toHaveLength(3)
  })
})

describe('application death', () => {
  it('connections in every state -> reset; listeners closed; memory and id free when workers let go', () => {
    const { host, app, context } = accepted()
    shakeHands(host, 2)
    host.send({ flags: TCP_SYN, remotePort: 3 })
    context.request(REQ_CONN_OPEN, 20, { remoteIp: PEER_IP, ports: 99 << 16 })
    host.work()
    host.sent()
    host.slow.apps.removeApp(app.id)
    expect(host.sent()).toMatchObject([{ flags: TCP_RST | TCP_ACK, targetPort: 3 }])
    // The first waited in the backlog of a listener, which is closed before.
    const each = [TO_FAST_FLOW_REMOVE, TO_FAST_FLOW_CONTEXT, TO_FAST_FLOW_CONTEXT, TO_FAST_FLOW_REMOVE]
    expect(host.work().map(({ type }) => type)).toEqual(each)
    expect(host.sent().map(({ flags }) => flags)).toEqual([TCP_RST | TCP_ACK, TCP_RST | TCP_ACK])
    expect(host.work()).toMatchObject([{ type: TO_FAST_APP_REMOVE, app: app.id }])
    const gauges = ['apps', 'contexts', 'listeners', 'bufferBytes', 'flowsEstablished', 'flowsSynSent',
      'flowsSynReceived'] as const
    expect(gauges.map((name) => host.count(name))).toEqual(gauges.map(() => 0))
    expect(host.slow.nextDeadlineUs()).toBe(Infinity)
    host.send({ flags: TCP_SYN, localPort: LISTEN_PORT })
    expect(host.sent()).toMatchObject([{ flags: TCP_RST | TCP_ACK }])
    host.slow.apps.removeApp(app.id)
    expect(host.work()).toEqual([])
  })

  it('while both FINs are done and the buffer is kept -> given back', () => {
    const open = accepted()
    for (const what of [16, 32, 8]) open.host.report(open.flow, open.gen, what)
    open.host.work()
    open.host.slow.apps.removeApp(open.app.id)
    expect(open.host.work().map(({ type }) => type)).toEqual([TO_FAST_APP_REMOVE])
    expect([open.host.count('bufferBytes'), open.host.count('flowsTimeWait')]).toEqual([0, 1])
  })

  it('others are not disturbed', () => {
    const open = accepted()
    const other = open.host.addApp()
    other.context.request(REQ_LISTEN_OPEN, 1, { ports: 81, backlog: 1 })
    open.host.slow.apps.removeApp(open.app.id)
    open.host.work()
    open.host.sent()
    open.host.send({ flags: TCP_SYN, localPort: 81 })
    expect(open.host.sent()).toMatchObject([{ flags: TCP_SYN | TCP_ACK }])
  })
})

describe('worker death', () => {
  /** Whether the id that was taken first is free: all others are. */
  function isFree(host: Host, id: number): boolean {
    const buffer = new ArrayBuffer(1 << 20)
    const taken = Array.from({ length: APPS_MAX - 2 }, () => host.slow.apps.addApp({ buffer, fd: -1 }, X))
    if (taken.includes(id)) return true
    try {
      return host.slow.apps.addApp({ buffer, fd: -1 }, X) === id
    } catch (error) {
      if (error instanceof RegistryError) return false
      throw error
    }
  }

  it('APP_REMOVE read and not answered -> the id is free', () => {
    const { host, app } = scene()
    host.slow.apps.removeApp(app.id)
    expect(host.worker.read().at(-1)).toMatchObject({ type: TO_FAST_APP_REMOVE, app: app.id })
    host.slow.workerDied(0, host.nowUs)
    expect(isFree(host, app.id)).toBe(true)
  })

  it.each([
    ['in the ring', 64], ['waiting for room in it', 1],
  ])('APP_REMOVE not read: %s -> the id is free when the next worker answers', (_, toFastEntries) => {
    const { host, app } = scene({ toFastEntries })
    host.slow.apps.removeApp(app.id)
    host.slow.workerDied(0, host.nowUs)
    expect(host.slow.apps['byId'][app.id]).not.toBeNull()
    for (let i = 0; i < 5; i++) host.work()
    expect(host.slow.apps['byId'][app.id]).toBeNull()
  })

  it('two workers, the order read by both, one of them dead -> the id is free when the other has answered', () => {
    const { host, app } = scene({ workers: 2 })
    host.slow.apps.removeApp(app.id)
    host.workers[0].read()
    host.slow.workerDied(0, host.nowUs)
    host.slow.workerDied(0, host.nowUs)
    expect(host.slow.apps['byId'][app.id]).not.toBeNull()
    host.work(1)
    expect(host.slow.apps['byId'][app.id]).toBeNull()
  })

  it('FLOW_REMOVE read, its answer lost -> sent again; answered twice -> once is enough', () => {
    const { host, app, context, flow, gen } = accepted()
    context.request(REQ_CONN_CLOSE, CONNECTION, { flow, gen, flags: 1 })
    expect(host.worker.read()).toMatchObject([{ type: TO_FAST_FLOW_REMOVE, flow, gen }])
    host.slow.workerDied(0, host.nowUs)
    host.slow.workerDied(0, host.nowUs)
    expect(host.work()).toMatchObject([{ type: TO_FAST_FLOW_REMOVE, flow, gen }, { type: TO_FAST_FLOW_REMOVE, flow, gen }])
    expect([host.count('bufferBytes'), host.count('connectionsClosed')]).toEqual([0, 1])
    host.slow.apps.removeApp(app.id)
    expect(host.work()).toMatchObject([{ type: TO_FAST_APP_REMOVE, app: app.id }])
  })

  it('answers in the ring when it died -> taken first, nothing is sent again', () => {
    const { host, app, context, flow, gen } = accepted()
    context.request(REQ_CONN_CLOSE, CONNECTION, { flow, gen, flags: 1 })
    host.worker.read()
    host.worker.message(TO_SLOW_FLOW_REMOVED, { [SF_FLOW]: flow, [SF_GEN]: gen })
    host.slow.workerDied(0, host.nowUs)
    expect([host.worker.read(), host.count('bufferBytes'), app.id]).toEqual([[], 0, 1])
  })
})

describe('shutdown', () => {
  it('peers get RST, applications ENETDOWN', () => {
    const { host, context, flow } = accepted()
    shakeHands(host, 2)
    host.send({ flags: TCP_SYN, remotePort: 3 })
    context.request(REQ_CONN_OPEN, 20, { remoteIp: PEER_IP, ports: 99 << 16 })
    context.request(REQ_LISTEN_ACCEPT, 30, { listener: LISTENER })
    context.request(REQ_LISTEN_ACCEPT, 31, { listener: LISTENER })
    host.work()
    host.sent()
    context.read()
    host.slow.shutdown(host.nowUs)
    const events = context.read()
    expect(events).toContainEqual(expect.objectContaining({ type: EV_CONN_CLOSED, status: 100, flow }))
    expect(events).toContainEqual(expect.objectContaining({ type: EV_CONN_OPEN, handle: 20, status: 100 }))
    expect(events).toContainEqual(expect.objectContaining({ type: EV_LISTEN_CLOSED, status: 100 }))
    expect(events.some(({ type }) => type === EV_LISTEN_NEWCONN)).toBe(false)
    expect(host.sent().map(({ targetPort, flags }) => [targetPort, flags]).sort()).toEqual(
      [2, 3, 5000].map((port) => [port, TCP_RST | TCP_ACK]))
  })

  it('the worker has not let go yet of connections of an application that has ended, nor of one that waits for accept -> their peers get RST, once', () => {
    const { host, app } = accepted()
    shakeHands(host, 2)
    host.slow.apps.removeApp(app.id)
    const other = host.addApp()
    other.context.request(REQ_LISTEN_OPEN, LISTENER, { ports: 81, backlog: 4 })
    host.send({ seq: 1, flags: TCP_SYN, remotePort: 3, localPort: 81 })
    const [synAck] = host.sent()
    host.send({ seq: 2, ack: synAck.seq + 1, flags: TCP_ACK, remotePort: 3, localPort: 81 })
    host.slow.shutdown(host.nowUs)
    const resets = host.sent().map(({ targetPort, flags }) => [targetPort, flags])
    expect(resets.sort()).toEqual([2, 3, 5000].map((port) => [port, TCP_RST | TCP_ACK]))
    host.work()
    expect(host.sent()).toEqual([])
  })
})
