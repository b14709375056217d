import { beforeEach, describe, expect, it } from 'vitest'
import { CONTEXTS_MAX } from '../../lib/memif/index.js'
import { CONTEXT, ControlScene, HELLO, text, type FakeSystem } from './controlscene.js'

describe('contexts of an application', () => {
  let scene: ControlScene
  let system: FakeSystem
  const say: ControlScene['say'] = (fd, bytes, fds) => scene.say(fd, bytes, fds)

  beforeEach(() => {
    scene = new ControlScene()
    ;({ system } = scene)
  })

  /** Descriptor of our end of the life of the context that was granted last. */
  const lifeFd = (): number => (system.sent.at(-1)?.fds[1] ?? NaN) - 1
  const hangUp = (life: number): void => system.watchers.get(life)?.()
  const granted = (): unknown[] => system.sent.flatMap(({ message }) => (message['op'] === 'context' ? [message['context']] : []))

  /** An application with all contexts that it can have; returns their lives. */
  function full(): number[] {
    say(scene.connect(20), HELLO)
    return Array.from({ length: CONTEXTS_MAX }, () => {
      say(20, CONTEXT)
      return lifeFd()
    })
  }

  it('its life descriptor ends -> ended once; its eventfd is closed when the id is free', () => {
    say(scene.connect(20), HELLO)
    const wakeFd = say(20, CONTEXT)?.fds[0]
    const life = lifeFd()
    hangUp(life)
    expect(scene.calls.at(-1)).toBe('end 1.0')
    expect([system.watchers.has(life), system.closed.includes(life), system.closed.includes(wakeFd ?? -1)]).toEqual([false, true, false])
    scene.freeId()
    expect(system.closed).toContain(wakeFd)
    expect(say(20, CONTEXT)?.message).toEqual({ op: 'context', context: 0 })
    say(20, new Uint8Array(0))
    expect(system.closed.filter((fd) => fd === life || fd === wakeFd)).toEqual([life, wakeFd])
    expect(system.watchers.size).toBe(1)
  })

  it('all ids are taken, one context is ending -> the answer waits for its id', () => {
    const lives = full()
    hangUp(lives[40])
    say(20, CONTEXT)
    expect([granted().length, system.timers, scene.server.size]).toEqual([CONTEXTS_MAX, [], 1])
    scene.freeId()
    system.expire()
    expect([granted().at(-1), granted().length]).toEqual([40, CONTEXTS_MAX + 1])
  })

  it('the end of a context is here and not noticed when another is asked for -> noticed', () => {
    const lives = full()
    system.inbox.set(lives[7], [{ bytes: new Uint8Array(0), fds: [] }])
    say(20, CONTEXT)
    expect([scene.calls.at(-1), scene.server.size]).toEqual(['end 1.7', 1])
    scene.freeId()
    system.expire()
    expect(granted().at(-1)).toBe(7)
  })

  it('an application writes to a life descriptor, and sends descriptors -> the context ends, they are closed', () => {
    const lives = full()
    system.inbox.set(lives[7], [{ bytes: text('x'), fds: [999] }])
    say(20, CONTEXT)
    expect([scene.calls.at(-1), system.closed.includes(999)]).toEqual(['end 1.7', true])
  })

  it('the application ends while it waits for a context -> nothing comes later', () => {
    const lives = full()
    hangUp(lives[0])
    say(20, CONTEXT)
    scene.freeId()
    say(20, new Uint8Array(0))
    expect([system.timers, system.watchers.size, scene.server.size]).toEqual([[], 1, 0])
    expect(new Set(system.closed).size).toBe(system.closed.length)
  })

  it('come and go faster than is good -> served later, never refused', () => {
    say(scene.connect(20), HELLO)
    for (let i = 0; i < 1000; i++) {
      say(20, CONTEXT)
      while (granted().length === i) system.expire()
      hangUp(lifeFd())
      scene.freeId()
    }
    expect([scene.server.size, new Set(granted())]).toEqual([1, new Set([0])])
    expect(system.timeUs).toBeGreaterThan(5_000_000)
  })

  it('a worker\'s socket is full -> the eventfd stays open until it has it', () => {
    const retired: (() => void)[] = []
    scene.makeServer({ retire: (close) => retired.push(close) })
    scene.server.start()
    say(scene.connect(20), HELLO)
    const wakeFd = say(20, CONTEXT)?.fds[0]
    hangUp(lifeFd())
    scene.freeId()
    expect(system.closed).not.toContain(wakeFd)
    for (const close of retired) close()
    expect(system.closed).toContain(wakeFd)
  })

  it('the slow path refuses a context -> told, nothing stays open', () => {
    scene.makeServer({ apps: {
      addApp: () => 1, removeContext: () => undefined, removeApp: () => undefined,
      addContext: () => {
        throw Object.assign(new Error('no more'), { code: 'EMFILE' })
      },
    } })
    scene.server.start()
    say(scene.connect(20), HELLO)
    expect(say(20, CONTEXT)?.message).toMatchObject({ op: 'error', code: 'EMFILE' })
    expect([...system.closed].sort((a, b) => a - b)).toEqual([20, 100, 101, 102, 103])
  })
})
