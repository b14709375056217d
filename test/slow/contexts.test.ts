/** Contexts that end while their application goes on: what they leave behind, and when another may have their id. */
import { describe, expect, it } from 'vitest'
import {
  CONTEXT_NONE, CONTEXTS_MAX, EV_CONN_MOVED, EV_LISTEN_ACCEPT, EV_LISTEN_OPEN, MOVE_HANDED, MOVE_LET_GO, REQ_CONN_CLOSE,
  REQ_CONN_MOVE, REQ_CONN_OPEN, REQ_LISTEN_ACCEPT, REQ_LISTEN_OPEN, SF_APP, SF_CONTEXT, TO_FAST_APP_REMOVE, TO_FAST_CONTEXT_ADD,
  TO_FAST_CONTEXT_REMOVE, TO_FAST_FLOW_CONTEXT, TO_FAST_FLOW_FIN, TO_FAST_FLOW_REMOVE, TO_FAST_FLOW_RX_SHUT, TO_SLOW_CONTEXT_REMOVED,
  WHAT_FIN_ACKED, WHAT_FIN_QUEUED, WHAT_FIN_RECEIVED,
} from '../../lib/memif/index.js'
import { LISTEN_PORT, PEER_IP } from './harness.js'
import { accepted, CONNECTION, LISTENER, listening, PEER_ISS, scene, type Scene, shakeHands, TCP_ACK, TCP_RST, TCP_SYN } from './scenes.js'

const EINVAL = 22
const ECANCELED = 125
const ENOTCONN = 107

function end({ host, app }: Scene, context = 0): void {
  host.slow.apps.removeContext(app.id, context)
}

function types(commands: readonly { readonly type: number }[]): number[] {
  return commands.map(({ type }) => type)
}

describe('connections of a context that ends', () => {
  it('close asked for before and not read yet -> the worker goes on without the context; ends in good order, nothing is reset', () => {
    const open = accepted()
    const { host, context, flow, gen } = open
    context.post(REQ_CONN_CLOSE, CONNECTION, { flow, gen })
    end(open)
    const commands = host.worker.read()
    expect(types(commands)).toEqual([TO_FAST_FLOW_RX_SHUT, TO_FAST_FLOW_CONTEXT, TO_FAST_CONTEXT_REMOVE])
    expect(commands[1]).toMatchObject({ flow, gen, context: CONTEXT_NONE })
    for (const what of [WHAT_FIN_QUEUED, WHAT_FIN_ACKED, WHAT_FIN_RECEIVED]) host.report(flow, gen, what)
    expect(types(host.work())).toEqual([TO_FAST_FLOW_REMOVE])
    expect([host.count('flowsTimeWait'), host.count('bufferBytes'), host.sent(), context.read()]).toEqual([1, 0, [], []])
  })

  it('close asked for before the program knew the flow -> FIN is the slow path\'s to order', () => {
    const open = accepted()
    open.context.post(REQ_CONN_CLOSE, CONNECTION, { flow: -1 })
    end(open)
    expect(types(open.host.work())).toEqual([TO_FAST_FLOW_RX_SHUT, TO_FAST_FLOW_FIN, TO_FAST_FLOW_CONTEXT, TO_FAST_CONTEXT_REMOVE])
    expect(open.host.sent()).toEqual([])
  })

  it('open, being opened -> reset, their memory is free; those of another context are not disturbed', () => {
    const open = accepted()
    const { host, app, context, flow, gen } = open
    const other = app.addContext()
    other.request(REQ_LISTEN_OPEN, LISTENER, { ports: 81, backlog: 4 })
    context.request(REQ_CONN_OPEN, 20, { remoteIp: PEER_IP, ports: 99 << 16 })
    host.work()
    host.sent()
    end(open)
    expect(host.work().map(({ type, flow: of }) => [type, of])).toEqual(
      [[TO_FAST_FLOW_CONTEXT, flow], [TO_FAST_FLOW_REMOVE, flow], [TO_FAST_CONTEXT_REMOVE, -1]])
    expect(host.sent()).toMatchObject([{ flags: TCP_RST | TCP_ACK, targetPort: open.remotePort }])
    const gauges = ['apps', 'contexts', 'listeners', 'bufferBytes', 'flowsEstablished', 'flowsSynSent'] as const
    expect(gauges.map((name) => host.count(name))).toEqual([1, 1, 1, 0, 0, 0])
    expect([context.read(), gen]).toEqual([[], open.gen])
    host.send({ flags: TCP_SYN, localPort: 81 })
    expect(host.sent()).toMatchObject([{ flags: TCP_SYN | TCP_ACK }])
  })

  it('ended by the peer, the event not read -> its buffers do not wait for that', () => {
    const open = accepted()
    const { host, flow, gen } = open
    host.send({ seq: PEER_ISS + 1, flags: TCP_RST }, flow, gen)
    host.work()
    expect(host.count('bufferBytes')).toBeGreaterThan(0)
    end(open)
    expect(host.count('bufferBytes')).toBe(0)
  })

  it('its event ring is full -> the close that could not be read is served all the same', () => {
    const open = accepted()
    const { host, context, flow, gen } = open
    for (let i = 0; i < 20; i++) context.request(REQ_LISTEN_OPEN, 30 + i, { ports: 100 })
    expect(host.slow.apps.needsRetry()).toBe(true)
    context.post(REQ_CONN_CLOSE, CONNECTION, { flow, gen })
    end(open)
    expect(types(host.work())).not.toContain(TO_FAST_FLOW_REMOVE)
    expect([host.slow.apps.needsRetry(), host.slow.nextDeadlineUs() > host.nowUs + 128_000]).toEqual([false, true])
  })

  it('requests that make no sense, or want an answer -> nothing opens, nothing is taken', () => {
    const begun = listening()
    const other = begun.app.addContext()
    shakeHands(begun.host)
    other.post(99, 1)
    other.post(REQ_CONN_OPEN, 20, { remoteIp: PEER_IP, ports: 99 << 16 })
    other.post(REQ_LISTEN_OPEN, 21, { ports: 82, backlog: 1 })
    other.post(REQ_LISTEN_ACCEPT, 22, { listener: LISTENER, context: 1, ports: LISTEN_PORT })
    end(begun, 1)
    expect([begun.host.sent(), begun.host.count('listeners'), begun.host.count('flowsEstablished')]).toEqual([[], 1, 1])
    begun.context.request(REQ_LISTEN_ACCEPT, CONNECTION, { listener: LISTENER })
    expect(begun.context.read()).toContainEqual(expect.objectContaining({ type: EV_LISTEN_ACCEPT, status: 0 }))
  })

  it('a corrupt request ring, an impossible number of requests -> only the context ends', () => {
    const begun = scene()
    Atomics.store(begun.context.words, begun.context.places.kout.firstWord, -5)
    end(begun)
    begun.host.poll()
    expect([begun.host.ended, begun.host.count('apps')]).toEqual([[], 1])
    end(begun)
    end(begun, 63)
    begun.host.slow.apps.removeContext(200, 0)
    expect(types(begun.host.work())).toEqual([TO_FAST_CONTEXT_REMOVE])
  })
})

describe('shutdown', () => {
  it('a connection that its context has left behind, no other context -> its peer gets a RST', () => {
    const open = accepted()
    open.context.post(REQ_CONN_CLOSE, CONNECTION, { flow: open.flow, gen: open.gen })
    end(open)
    open.host.work()
    open.host.slow.shutdown(open.host.nowUs)
    expect(open.host.sent()).toMatchObject([{ flags: TCP_RST | TCP_ACK, targetPort: open.remotePort }])
  })
})

describe('listeners of a context that ends', () => {
  it('closed, what waits is reset; who waits in accept elsewhere gets ECANCELED', () => {
    const begun = listening()
    const { host, app } = begun
    const other = app.addContext()
    begun.context.request(REQ_LISTEN_OPEN, 8, { ports: 81, backlog: 4 })
    other.request(REQ_LISTEN_ACCEPT, 22, { listener: 8, context: 1, ports: 81 })
    shakeHands(host)
    host.work()
    end(begun)
    host.work()
    expect(host.sent()).toMatchObject([{ flags: TCP_RST | TCP_ACK }])
    expect(other.read()).toMatchObject([{ type: EV_LISTEN_ACCEPT, handle: 22, status: ECANCELED }])
    host.send({ flags: TCP_SYN, localPort: LISTEN_PORT })
    expect(host.sent()).toMatchObject([{ flags: TCP_RST | TCP_ACK }])
    expect(host.count('listeners')).toBe(0)
  })

  it('it waited in accept at another context\'s -> the next connection goes to who still waits', () => {
    const begun = listening()
    const other = begun.app.addContext()
    other.request(REQ_LISTEN_ACCEPT, 22, { listener: LISTENER, context: 1, ports: LISTEN_PORT })
    begun.context.request(REQ_LISTEN_ACCEPT, CONNECTION, { listener: LISTENER })
    end(begun, 1)
    shakeHands(begun.host)
    expect(begun.context.read()).toContainEqual(expect.objectContaining({ type: EV_LISTEN_ACCEPT, handle: CONNECTION, status: 0 }))
  })

  it('id and handle are another listener\'s by now -> who joined the one before gets EINVAL', () => {
    const begun = listening()
    const other = begun.app.addContext()
    end(begun)
    begun.host.work()
    const next = begun.app.addContext()
    next.request(REQ_LISTEN_OPEN, LISTENER, { ports: 81, backlog: 4 })
    expect([next.id, next.read()]).toMatchObject([0, [{ type: EV_LISTEN_OPEN, status: 0 }]])
    other.request(REQ_LISTEN_ACCEPT, 22, { listener: LISTENER, context: 1, ports: LISTEN_PORT })
    expect(other.read()).toMatchObject([{ type: EV_LISTEN_ACCEPT, handle: 22, status: EINVAL }])
  })
})

describe('connections on their way', () => {
  it('moved away before -> stays with the other context; asked for and not read yet -> the same', () => {
    const open = accepted()
    const { host, app, context, flow, gen } = open
    const other = app.addContext()
    context.post(REQ_CONN_MOVE, CONNECTION, { flow, gen, context: 1 })
    end(open)
    expect(other.read()).toMatchObject([{ type: EV_CONN_MOVED, handle: CONNECTION, status: 0 }])
    const commands = host.work()
    expect(types(commands)).not.toContain(TO_FAST_FLOW_REMOVE)
    expect(commands.filter(({ type }) => type === TO_FAST_FLOW_CONTEXT)).toMatchObject([{ flow, context: 1 }])
    expect(host.count('flowsEstablished')).toBe(1)
  })

  it('to a context that has ended -> EINVAL, it stays', () => {
    const open = accepted()
    const { host, app, context, flow, gen } = open
    app.addContext()
    end(open, 1)
    context.request(REQ_CONN_MOVE, CONNECTION, { flow, gen, context: 1 })
    expect(context.read()).toMatchObject([{ type: EV_CONN_MOVED, handle: CONNECTION, status: EINVAL }])
    expect(host.count('flowsEstablished')).toBe(1)
  })

  it('let go for another thread -> outlives the context; taken by one that knows its handle', () => {
    const open = accepted()
    const { host, app, context, flow, gen } = open
    context.post(REQ_CONN_MOVE, CONNECTION, { flow, gen, flags: MOVE_LET_GO })
    end(open)
    const commands = host.work()
    expect(types(commands)).toEqual([TO_FAST_FLOW_CONTEXT, TO_FAST_CONTEXT_REMOVE])
    const other = app.addContext()
    other.request(REQ_CONN_MOVE, CONNECTION, { flow, gen, context: other.id, flags: MOVE_HANDED, value: 55 })
    expect(other.read()).toMatchObject([{ type: EV_CONN_MOVED, handle: 55, flow, status: 0 }])
    expect(host.work().at(-1)).toMatchObject({ type: TO_FAST_FLOW_CONTEXT, flow, context: other.id })
  })

  it('let go and reset while nobody has it -> its memory is free, who asks for it gets ENOTCONN', () => {
    const open = accepted()
    const { host, app, context, flow, gen } = open
    const other = app.addContext()
    context.request(REQ_CONN_MOVE, CONNECTION, { flow, gen, flags: MOVE_LET_GO })
    host.send({ seq: PEER_ISS + 1, flags: TCP_RST }, flow, gen)
    host.work()
    expect([host.count('bufferBytes'), context.read()]).toEqual([0, []])
    other.request(REQ_CONN_MOVE, CONNECTION, { flow, gen, context: 1, flags: MOVE_HANDED, value: 55 })
    expect(other.read()).toMatchObject([{ type: EV_CONN_MOVED, handle: 55, status: ENOTCONN }])
  })

  it('let go after another thread has taken it -> that one keeps it, though its handle is the same', () => {
    const open = accepted()
    const { host, app, context, flow, gen } = open
    const other = app.addContext()
    other.request(REQ_CONN_MOVE, CONNECTION, { flow, gen, context: 1, flags: MOVE_HANDED, value: CONNECTION })
    context.request(REQ_CONN_MOVE, CONNECTION, { flow, gen, flags: MOVE_LET_GO })
    end(open)
    host.work()
    end(open, 1)
    expect(types(host.work())).toContain(TO_FAST_FLOW_REMOVE)
  })

  it('taken by a context that ends at once -> reset', () => {
    const open = accepted()
    const { host, app, flow, gen } = open
    const other = app.addContext()
    other.post(REQ_CONN_MOVE, CONNECTION, { flow, gen, context: 1, flags: MOVE_HANDED, value: 55 })
    end(open, 1)
    const commands = host.work()
    expect(commands.filter(({ type }) => type === TO_FAST_FLOW_CONTEXT).at(-1)).toMatchObject({ context: CONTEXT_NONE })
    expect(types(commands)).toContain(TO_FAST_FLOW_REMOVE)
  })
})

describe('the id of a context that has ended', () => {
  it('free when every worker has answered, with rings as new', () => {
    const begun = listening({ workers: 2 })
    const { host, app, context } = begun
    host.workers[1].read()
    Atomics.store(context.words, context.places.sleepingWord, 1)
    end(begun)
    expect(types(host.work(0))).toEqual([TO_FAST_CONTEXT_REMOVE])
    expect([app.addContext().id, host.freed]).toEqual([1, []])
    const { kout, kin } = context.places
    expect([Atomics.load(context.words, kin.firstWord), Atomics.load(context.words, kout.firstWord)]).not.toContain(0)
    host.work(1)
    expect(host.freed).toEqual([`${app.id}.0`])
    const rings = [kin, kout, ...context.places.events, ...context.places.bumps]
    expect(rings.flatMap(({ firstWord }) => [context.words[firstWord], context.words[firstWord + 16]]).every((word) => word === 0)).toBe(true)
    expect(context.words[context.places.sleepingWord]).toBe(0)
    const next = app.addContext()
    next.request(REQ_LISTEN_OPEN, 5, { ports: 90 })
    expect([next.id, next.read()]).toMatchObject([0, [{ type: EV_LISTEN_OPEN, handle: 5 }]])
    expect(types(host.work(1)).at(-1)).toBe(TO_FAST_CONTEXT_ADD)
  })

  it('all taken, one of them ending -> no context more until it is free', () => {
    const begun = scene({ toFastEntries: 256 })
    const { host, app } = begun
    for (let i = 1; i < CONTEXTS_MAX; i++) app.addContext()
    expect(host.slow.apps.hasEndings(app.id)).toBe(false)
    end(begun, 40)
    expect(host.slow.apps.hasEndings(app.id)).toBe(true)
    expect(() => app.addContext()).toThrow(/64 contexts/)
    host.work()
    expect([host.slow.apps.hasEndings(app.id), app.addContext().id]).toEqual([false, 40])
  })

  it('thousands one after the other -> always the same id', () => {
    const begun = scene()
    for (let i = 0; i < 2000; i++) {
      end(begun)
      begun.host.work()
      expect(begun.app.addContext().id).toBe(0)
    }
    expect([begun.host.count('contexts'), begun.host.freed.length]).toEqual([1, 2000])
  })

  it('the application ends before -> its memory is not touched, answers that come say nothing', () => {
    const begun = listening()
    const { host, app, context } = begun
    end(begun)
    host.slow.apps.removeApp(app.id)
    const words = context.words.slice()
    expect(types(host.work())).toEqual([TO_FAST_CONTEXT_REMOVE, TO_FAST_APP_REMOVE])
    expect([host.freed, context.words.every((word, at) => word === words[at])]).toEqual([[], true])
  })
})

describe('worker death while a context ends', () => {
  it('the order read and not answered -> the next worker is told again, the id is free when it answers', () => {
    const begun = scene()
    const { host } = begun
    end(begun)
    host.worker.read()
    host.slow.workerDied(0, host.nowUs)
    expect(host.freed).toEqual([])
    expect(types(host.work())).toEqual([TO_FAST_CONTEXT_REMOVE])
    expect(host.freed).toHaveLength(1)
  })

  it('the answer in the ring when it died -> taken first', () => {
    const begun = scene()
    const { host, app } = begun
    end(begun)
    host.worker.read()
    host.worker.message(TO_SLOW_CONTEXT_REMOVED, { [SF_APP]: app.id, [SF_CONTEXT]: 0 })
    host.slow.workerDied(0, host.nowUs)
    expect([host.freed.length, types(host.work())]).toEqual([1, []])
  })

  it.each([
    ['in the ring', 64], ['waiting for room in it', 1],
  ])('the order not read: %s -> not told twice, also if the next one dies', (_, toFastEntries) => {
    const begun = scene({ toFastEntries })
    const { host } = begun
    end(begun)
    for (let i = 0; i < 2; i++) host.slow.workerDied(0, host.nowUs)
    const all: number[] = []
    for (let i = 0; i < 4; i++) all.push(...types(host.work()))
    expect([all.filter((type) => type === TO_FAST_CONTEXT_REMOVE).length, host.freed.length]).toEqual([1, 1])
  })

  it('it had answered, another worker has not -> the next one, which hears of the context again, forgets it again', () => {
    const begun = scene({ workers: 2 })
    const { host } = begun
    end(begun)
    host.work(0)
    host.slow.workerDied(0, host.nowUs)
    host.work(1)
    expect(host.freed).toEqual([])
    expect(types(host.work(0))).toEqual([TO_FAST_CONTEXT_REMOVE])
    expect(host.freed).toHaveLength(1)
  })
})
