import { beforeEach, describe, expect, it } from 'vitest'
import {
  CONTEXTS_MAX, encodeControl, FLOW_COLUMNS, LAYOUT_VERSION, STATE_PAGE_ROWS, STATE_PARTS, type FlowQuery, type RingFill, type StatePart,
  type StateRows,
} from '../../lib/memif/index.js'
import type { StateSource } from '../../service/control/inquiries.js'
import { mayConnect, type ControlServer } from '../../service/control/server.js'
import { CONTEXT, type ControlEnv, ControlScene, HELLO, text, type FakeSystem, type Sent } from './controlscene.js'

let scene: ControlScene
let system: FakeSystem
let calls: string[]
let wanted: number[]
let server: ControlServer

const makeServer = (changes: Partial<ControlEnv> = {}): ControlServer => scene.makeServer(changes)
const connect = (fd: number): number => scene.connect(fd)
const say: ControlScene['say'] = (fd, bytes, fds) => scene.say(fd, bytes, fds)

beforeEach(() => {
  scene = new ControlScene()
  ;({ system, calls, wanted, server } = scene)
})

describe('control: networks', () => {
  it('without hello -> addresses and routes', () => {
    makeServer().start()
    expect(say(connect(20), encodeControl({ op: 'networks' }))?.message).toEqual({
      op: 'networks', addresses: ['10.0.0.1/24'], routes: ['0.0.0.0/0'],
    })
    expect(calls).toEqual([])
  })
})

describe('control: state', () => {
  const ask = (first: boolean, part: StatePart = 'flows'): Uint8Array => encodeControl({ op: 'state', part, first })
  const longName = '\u0001'.repeat(64)
  /** Walks of three pages, numbered. */
  function listings(changes: Partial<StateSource> = {}, env: Partial<ControlEnv> = {}): void {
    let walks = 0
    makeServer({
      state: {
        list: () => {
          const walk = ++walks
          let page = 0
          return { next: () => ({ rows: [[walk, ++page]], more: page < 3 }) }
        },
        describeFlow: () => null,
        ...changes,
      },
      ...env,
    }).start()
  }
  const pageOf = (answer: Sent | undefined): unknown => [answer?.message['part'], answer?.message['rows'], answer?.message['more']]

  it('without hello -> page after page; first -> from the beginning; each client walks by itself, and through each part', () => {
    listings()
    expect([true, false, false].map((first) => pageOf(say(first ? connect(20) : 20, ask(first))))).toEqual([
      ['flows', [[1, 1]], true], ['flows', [[1, 2]], true], ['flows', [[1, 3]], false],
    ])
    expect(pageOf(say(20, ask(false)))).toEqual(['flows', [[2, 1]], true])
    expect(pageOf(say(connect(21), ask(false)))).toEqual(['flows', [[3, 1]], true])
    expect(pageOf(say(20, ask(true)))).toEqual(['flows', [[4, 1]], true])
    expect(pageOf(say(20, ask(false, 'apps')))).toEqual(['apps', [[5, 1]], true])
    expect(pageOf(say(20, ask(false)))).toEqual(['flows', [[4, 2]], true])
    expect(calls).toEqual([])
  })

  const most = 0xffffffff
  const ring: RingFill = [4096, 4096]
  const longest: StateRows = {
    workers: { worker: 15, isAsleep: false, flows: most, toSlow: ring, toFast: ring, waitingCommands: most },
    apps: {
      app: 255, pid: 4_194_304, name: longName, contexts: 64, listeners: most, connections: most, regionBytes: 2 ** 38, bufferBytes: 2 ** 38,
      bufferRoomBytes: 2 ** 38,
    },
    contexts: {
      app: 255, context: 63, isAsleep: false, isBlocked: false, slowEvents: ring, requests: ring, events: Array<RingFill>(16).fill(ring),
      bumps: Array<RingFill>(16).fill(ring),
    },
    listeners: { app: 255, context: 63, ip: most, port: 65_535, backlog: 65_535, halfOpen: most, waiting: most, accepts: most, isShared: false },
    flows: FLOW_COLUMNS.map(() => most),
  }
  it.each(STATE_PARTS)('a full page of the longest rows of %s -> fits a message', (part) => {
    listings({ list: () => ({ next: () => ({ rows: Array.from({ length: STATE_PAGE_ROWS[part] }, () => longest[part]), more: false }) }) })
    expect(say(connect(20), ask(true, part))?.message).toMatchObject({ op: 'state', more: false })
  })

  it('another user, though --socket-mode lets it in -> EACCES; root -> answered', () => {
    listings({}, { socketMode: 0o666 })
    for (const [fd, question] of [[20, ask(true)], [21, encodeControl({ op: 'flow', flow: 1 })]] as const) {
      system.credentials = { pid: 77, uid: 4000, gid: 4000 }
      expect(say(connect(fd), question)?.message).toMatchObject({ op: 'error', code: 'EACCES' })
      expect(system.closed).toContain(fd)
    }
    system.credentials = { pid: 77, uid: 0, gid: 0 }
    expect(say(connect(22), ask(true))?.message).toMatchObject({ op: 'state' })
  })

  it('a part that there is not -> EPROTO', () => {
    listings()
    expect(say(connect(20), text('{"op":"state","part":"toString","first":true}'))?.message).toMatchObject({ op: 'error', code: 'EPROTO' })
  })

  it('asks and does not read, or too often -> closed', () => {
    listings()
    connect(20)
    for (let i = 0; i < 257; i++) say(20, ask(false))
    expect(system.sent.at(-1)?.message).toMatchObject({ op: 'error', code: 'EAGAIN' })
    connect(21)
    system.full = true
    say(21, ask(true))
    expect(system.closed).toEqual([20, 21])
  })

  it('one flow by number or by both ends -> asked for; nothing known -> null', () => {
    const asked: FlowQuery[] = []
    listings({
      describeFlow: (query) => {
        asked.push(query)
        return null
      },
    })
    connect(20)
    expect(say(20, encodeControl({ op: 'flow', flow: 7 }))?.message).toEqual({ op: 'flow', detail: null })
    say(20, encodeControl({ op: 'flow', localIp: 0xff000001, localPort: 80, remoteIp: 2, remotePort: 5000 }))
    expect(asked).toEqual([{ flow: 7 }, { localIp: 0xff000001 | 0, localPort: 80, remoteIp: 2, remotePort: 5000 }])
  })

  it.each(['{"op":"flow"}', '{"op":"flow","flow":"7"}', '{"op":"flow","flow":0.5}', '{"op":"flow","localIp":1,"localPort":2,"remoteIp":3}'])(
    '%s -> EPROTO', (question) => {
      listings()
      expect(say(connect(20), text(question))?.message).toMatchObject({ op: 'error', code: 'EPROTO' })
    })
})

describe('control: trace', () => {
  const ask = (kinds: number): Uint8Array => encodeControl({ op: 'trace', kinds })

  it('asked for without hello -> the region, read-only; two tools -> what either wants, until its socket closes', () => {
    expect(say(connect(20), ask(1))).toEqual({ fd: 20, message: { op: 'trace', lenBytes: 12_345 }, fds: [6] })
    say(connect(21), ask(6))
    say(20, ask(8))
    say(20, new Uint8Array(0))
    say(21, new Uint8Array(0))
    expect(wanted).toEqual([1, 7, 14, 6, 0])
    expect(system.closed).not.toContain(6)
  })

  it('service stops -> nothing is traced any more', () => {
    say(connect(20), ask(1))
    server.closeAll()
    expect(wanted).toEqual([1, 0])
  })

  it('another user -> EACCES, nothing is traced', () => {
    makeServer({ socketMode: 0o666 }).start()
    system.credentials = { pid: 77, uid: 4000, gid: 4000 }
    expect(say(connect(20), ask(1))?.message).toMatchObject({ op: 'error', code: 'EACCES' })
    expect(wanted).toEqual([])
  })

  it.each(['{"op":"trace"}', '{"op":"trace","kinds":0}', '{"op":"trace","kinds":0.5}', '{"op":"trace","kinds":1024}', '{"op":"trace","kinds":-1}'])(
    '%s -> EPROTO, nothing is traced', (question) => {
      expect(say(connect(20), text(question))?.message).toMatchObject({ op: 'error', code: 'EPROTO' })
      expect(wanted).toEqual([])
    })
})

describe('control: handshake', () => {
  it('hello -> application added, welcome with region, doorbells, eventfds', () => {
    const answer = say(connect(20), HELLO)
    expect(calls).toEqual(['add echo 77'])
    expect(answer).toEqual({
      fd: 20, message: { op: 'welcome', version: LAYOUT_VERSION, app: 1, regionBytes: 4096, workers: 1 }, fds: [100, 7, 8, 9],
    })
  })

  it('context -> added, its eventfd comes with the answer', () => {
    say(connect(20), HELLO)
    expect(say(20, CONTEXT)).toEqual({ fd: 20, message: { op: 'context', context: 0 }, fds: [103, 102] })
    // The other end is the application's alone.
    expect(system.closed).toEqual([102])
    expect(calls).toEqual(['add echo 77', 'context 1'])
  })

  it('connected before start -> served at start', () => {
    const late = makeServer()
    system.waiting.push(30)
    late.start()
    expect(late.size).toBe(1)
  })
})

describe('control: end', () => {
  it('end of the socket -> connections, region and eventfds go at once', () => {
    say(connect(20), HELLO)
    say(20, CONTEXT)
    say(20, new Uint8Array(0))
    expect(calls.at(-1)).toBe('remove 1')
    expect(system.closed).toEqual([102, 20, 101, 103, 100])
    expect(system.unmapped).toHaveLength(1)
    expect(server.size).toBe(0)
  })

  it('slow path ends an application -> it is told why, the others stay', () => {
    say(connect(20), HELLO)
    say(connect(21), HELLO)
    scene.applications.hangUp(1, 'its request ring is corrupt')
    expect(system.sent.at(-1)).toMatchObject({ fd: 20, message: { op: 'error', code: 'ECONNABORTED', message: 'its request ring is corrupt' } })
    expect(server.size).toBe(1)
  })

  it('descriptors on their way to a worker -> closed only when it has them', () => {
    const retired: (() => void)[] = []
    server = makeServer({ retire: (close) => retired.push(close) })
    server.start()
    say(connect(20), HELLO)
    say(20, new Uint8Array(0))
    expect(system.closed).toEqual([20])
    for (const close of retired) close()
    expect(system.closed).toEqual([20, 100])
  })

  it('service stops -> every client is told', () => {
    connect(20)
    say(connect(21), HELLO)
    server.closeAll()
    expect(system.sent.filter(({ message }) => message['code'] === 'ESHUTDOWN').map(({ fd }) => fd)).toEqual([20, 21])
    expect(server.size).toBe(0)
    expect(system.watchers.size).toBe(0)
  })
})

describe('control: scale', () => {
  const ask = (workers?: unknown): Uint8Array => text(JSON.stringify({ op: 'scale', workers }))
  const STATE = { op: 'scale', auto: true, active: 1, workers: [{ groups: 128, flows: 3, load: 0.5 }] }

  it('no number -> the workers, nothing is changed; a number, then 0 -> set, in that order', () => {
    connect(20)
    expect(say(20, ask())?.message).toEqual(STATE)
    expect(calls).toEqual([])
    expect(say(20, ask(1))?.message).toEqual(STATE)
    expect(say(20, ask(0))?.message).toEqual(STATE)
    expect(calls).toEqual(['scale 1', 'scale 0'])
  })

  it('two at once -> both are heard, the later one holds', () => {
    connect(20)
    connect(21)
    for (const [fd, workers] of [[20, 1], [21, 0], [20, 1]]) say(fd, ask(workers))
    expect(calls).toEqual(['scale 1', 'scale 0', 'scale 1'])
  })

  it.each([2, -1, 1.5, '1', null, true])('%j workers of one -> EINVAL, nothing is changed', (workers) => {
    expect(say(connect(20), ask(workers))?.message).toMatchObject({ op: 'error', code: 'EINVAL' })
    expect(calls).toEqual([])
  })

  it.each([[1000, 'scale'], [0, 'scale'], [1001, 'error']])('user %d where everybody may connect -> %s', (uid, op) => {
    server = makeServer({ socketMode: 0o666 })
    server.start()
    system.credentials = { pid: 5, uid, gid: uid }
    expect(say(connect(20), ask(1))?.message).toMatchObject({ op })
    expect(calls).toEqual(op === 'scale' ? ['scale 1'] : [])
  })
})

describe('control: refused', () => {
  const rows: [string, Uint8Array[], string][] = [
    ['not JSON', [text('hello')], 'EPROTO'],
    ['bad UTF-8', [Uint8Array.of(0xff, 0xfe)], 'EPROTO'],
    ['an array', [text('[]')], 'EPROTO'],
    ['unknown op', [text('{"op":"root"}')], 'EPROTO'],
    ['context before hello', [CONTEXT], 'EPROTO'],
    ['hello twice', [HELLO, HELLO], 'EALREADY'],
    ['other version', [text('{"op":"hello","version":99,"name":"x"}')], 'EPROTONOSUPPORT'],
    ['no version', [text('{"op":"hello","name":"x"}')], 'EPROTONOSUPPORT'],
    ['no name', [text(`{"op":"hello","version":${LAYOUT_VERSION}}`)], 'EPROTO'],
    ['long name', [text(`{"op":"hello","version":${LAYOUT_VERSION},"name":"${'x'.repeat(100)}"}`)], 'EPROTO'],
    ['too long', [new Uint8Array(5000)], 'EMSGSIZE'],
    ['too many contexts', [HELLO, ...Array.from({ length: CONTEXTS_MAX + 1 }, () => CONTEXT)], 'EMFILE'],
  ]
  it.each(rows)('%s -> error message and close', (_what, messages, code) => {
    connect(20)
    for (const message of messages) say(20, message)
    expect(system.sent.at(-1)?.message).toMatchObject({ op: 'error', code })
    expect(system.closed).toContain(20)
    expect(server.size).toBe(0)
    expect(calls.filter((call) => call.startsWith('add')).length).toBe(calls.filter((call) => call.startsWith('remove')).length)
  })

  it('descriptors from an application -> closed, refused', () => {
    say(connect(20), HELLO, [55])
    expect(system.closed).toContain(55)
    expect(system.sent.at(-1)?.message).toMatchObject({ op: 'error', code: 'EPROTO' })
  })

  it('flood of messages -> closed', () => {
    say(connect(20), HELLO)
    system.inbox.get(20)?.push(...Array.from({ length: 1000 }, () => ({ bytes: text('{"op":"hello"}'), fds: [] })))
    system.watchers.get(20)?.()
    expect(server.size).toBe(0)
  })

  it('client that does not read -> closed', () => {
    connect(20)
    system.full = true
    say(20, HELLO)
    expect(server.size).toBe(0)
    expect(calls).toEqual(['add echo 77', 'remove 1'])
  })

  it('no room for the application -> its code, nothing kept', () => {
    server = makeServer({ apps: {
      addApp: () => {
        throw Object.assign(new Error('no more applications'), { code: 'EAGAIN' })
      },
      addContext: () => 0,
      removeContext: () => undefined,
      removeApp: () => undefined,
    } })
    server.start()
    expect(say(connect(20), HELLO)?.message).toEqual({ op: 'error', code: 'EAGAIN', message: 'no more applications' })
    expect(system.closed).toEqual([20, 100])
    expect(system.unmapped).toHaveLength(1)
  })

  it('another user -> EACCES before anything is read', () => {
    system.credentials = { pid: 5, uid: 1001, gid: 1001 }
    connect(20)
    expect(system.sent.at(-1)?.message).toMatchObject({ op: 'error', code: 'EACCES' })
    expect(server.size).toBe(0)
  })

  it.each([
    [1000, 0o600, true], [0, 0o600, true], [1001, 0o600, false], [1001, 0o640, false], [1001, 0o660, true], [1001, 0o666, true],
  ])('user %d with mode %o -> %s', (uid, mode, allowed) => {
    expect(mayConnect({ pid: 1, uid, gid: uid }, 1000, mode)).toBe(allowed)
  })
})
