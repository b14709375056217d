/** Parts on their own: timers, buffers, hashes, ports, chains, the connection table, the check of a sequence number. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { COUNTERS_BYTES, TraceWriter } from '../../lib/memif/index.js'
import { NO_OPTIONS, TCP_ACK, TCP_FIN } from '../../lib/wire/index.js'
import { isAcceptable } from '../../service/slow/acceptable.js'
import { BufferAllocator } from '../../service/slow/buffers.js'
import { Chain, Link } from '../../service/slow/chain.js'
import { Connection } from '../../service/slow/connection.js'
import { ConnectionTable } from '../../service/slow/connections.js'
import { TupleHash } from '../../service/slow/isn.js'
import { RateLimit } from '../../service/slow/log.js'
import { EPHEMERAL_MAX, EPHEMERAL_MIN, EphemeralPorts } from '../../service/slow/ports.js'
import { siphash } from '../../service/slow/siphash.js'
import { Stats } from '../../service/slow/stats.js'
import { Timer, Timers } from '../../service/slow/timers.js'

const KEY = Uint8Array.from({ length: 16 }, (_, i) => i)

describe('timers', () => {
  it('any order of setting, moving and cancelling -> fire by deadline, then by order of setting', () => {
    const step = fc.record({ which: fc.nat(99), deadline: fc.option(fc.nat(50), { nil: null }) })
    fc.assert(fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const timers = new Timers()
      const fired: number[] = []
      const all = Array.from({ length: 100 }, (_, i) => new Timer(() => fired.push(i)))
      const model = new Map<number, { deadline: number; order: number }>()
      steps.forEach(({ which, deadline }, order) => {
        if (deadline === null) {
          timers.cancel(all[which])
          model.delete(which)
        } else {
          timers.set(all[which], deadline)
          model.set(which, { deadline, order })
        }
      })
      const expected = [...model].sort(([, a], [, b]) => a.deadline - b.deadline || a.order - b.order)
      expect(timers.nextDeadlineUs()).toBe(expected[0]?.[1].deadline ?? Infinity)
      timers.run(50, 1000)
      expect(fired).toEqual(expected.map(([which]) => which))
      expect(timers.size).toBe(0)
    }))
  })

  it('a limit -> the rest at the next run; a timer set while firing -> fires if due', () => {
    const timers = new Timers()
    let count = 0
    const again = new Timer(() => {
      if (++count < 5) timers.set(again, 1)
    })
    timers.set(again, 1)
    expect([timers.run(0, 10), timers.run(1, 3), timers.run(1, 3)]).toEqual([0, 3, 2])
  })
})

describe('buffers', () => {
  it('a freed piece -> the next one handed out; full -> -1; other sizes are cut from larger ones', () => {
    const buffers = new BufferAllocator(4096, 4096 + 8192)
    const first = buffers.allocate(4096)
    const second = buffers.allocate(3000)
    expect([first, second, buffers.allocate(64)]).toEqual([64, 128, -1])
    buffers.release(first, 4096)
    expect(buffers.allocate(4096)).toBe(first)
    buffers.release(second, 3000)
    expect(buffers.allocate(1)).toBe(128)
    expect(buffers.usedBytes).toBe(4096 + 64)
  })

  it('free neighbours -> put together when nothing else fits, and only then', () => {
    const buffers = new BufferAllocator(4096, 4096 + 4096)
    const pieces = Array.from({ length: 64 }, () => buffers.allocate(64))
    expect(buffers.allocate(64)).toBe(-1)
    for (const place of pieces) buffers.release(place, 64)
    expect(buffers.allocate(64)).toBe(pieces[63])
    buffers.release(pieces[63], 64)
    expect([buffers.allocate(4096), buffers.allocate(64)]).toEqual([64, -1])
  })

  it('sizes in any order -> what is skipped for alignment is handed out later', () => {
    const buffers = new BufferAllocator(4096, 4096 + 4096)
    const small = buffers.allocate(64)
    const large = buffers.allocate(2048)
    expect([small, large]).toEqual([64, 64 + 32])
    expect(buffers.allocate(1024)).toBe(64 + 16)
    expect(buffers.usedBytes).toBe(64 + 2048 + 1024)
  })

  it('released -> dirty until taken or handed out; cut or put together -> its parts, or the whole, stay dirty; clean -> not', () => {
    const buffers = new BufferAllocator(4096, 4096 + 4096)
    const [first, second] = [buffers.allocate(2048), buffers.allocate(2048)]
    buffers.release(first, 2048)
    buffers.release(second, 2048, true)
    expect(buffers.takeDirty(9)).toEqual([[first, 2048]])
    expect(buffers.dirtyPieces).toBe(0)
    const whole = buffers.allocate(4096)
    buffers.release(whole, 4096)
    const part = buffers.allocate(1024)
    expect(buffers.takeDirty(9).sort(([a], [b]) => a - b)).toEqual([[part + 16, 1024], [part + 32, 2048]])
  })

  it('any allocations and releases -> pieces inside the region that never overlap', () => {
    const action = fc.record({ bytes: fc.integer({ min: 1, max: 3000 }), release: fc.boolean() })
    fc.assert(fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      const buffers = new BufferAllocator(4096, 4096 + 16384)
      const held: { place: number; bytes: number }[] = []
      for (const { bytes, release } of actions) {
        const old = release ? held.shift() : undefined
        if (old) buffers.release(old.place, old.bytes)
        const place = buffers.allocate(bytes)
        if (place < 0) continue
        const [from, to] = [place * 64, place * 64 + bytes]
        expect(from >= 4096 && to <= 4096 + 16384).toBe(true)
        for (const other of held) expect(to <= other.place * 64 || from >= other.place * 64 + other.bytes).toBe(true)
        held.push({ place, bytes })
      }
    }))
  })
})

describe('hashes and ports', () => {
  it('SipHash-2-4 -> the vectors of its authors', () => {
    const hash = (length: number): string => siphash(KEY, Uint8Array.from({ length }, (_, i) => i)).toReversed()
      .map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
    expect(hash(15)).toBe('a129ca6149be45e5')
    expect(hash(0)).toBe('726fdb47dd0e0e31')
    expect(hash(8)).toBe('93f5f5799a932462')
  })

  it('another secret, another connection -> another number; 4 us -> one more (RFC 6528, 3)', () => {
    const tuple = { localIp: 1, localPort: 2, remoteIp: 3, remotePort: 4 }
    const hash = new TupleHash(KEY)
    expect(hash.initialSequence(tuple, 8)).toBe((hash.initialSequence(tuple, 0) + 2) | 0)
    expect(new TupleHash(KEY.toReversed()).hash(tuple, 0)).not.toBe(hash.hash(tuple, 0))
    expect(hash.hash({ ...tuple, remotePort: 5 }, 0)).not.toBe(hash.hash(tuple, 0))
    expect(() => new TupleHash(new Uint8Array(8))).toThrow(RangeError)
  })

  it('ephemeral ports -> in range, all of them before -1, unpredictable between destinations (RFC 6056)', () => {
    const ports = new EphemeralPorts(new TupleHash(KEY), { u32: () => 77 })
    const taken = new Set<number>()
    const choose = (): number => ports.choose(1, 2, 80, (port) => !taken.has(port))
    for (let i = 0; i < 1000; i++) taken.add(choose())
    expect(taken.size).toBe(1000)
    expect(Math.min(...taken)).toBeGreaterThanOrEqual(EPHEMERAL_MIN)
    for (let port = EPHEMERAL_MIN; port <= EPHEMERAL_MAX; port++) taken.add(port)
    expect(choose()).toBe(-1)
    expect(ports.choose(1, 3, 80, () => true)).not.toBe(ports.choose(1, 4, 80, () => true))
  })

  it('rate limit -> a burst, then as many as time gives', () => {
    const limit = new RateLimit(10, 0)
    const allowed = (nowUs: number): number => Array.from({ length: 20 }, () => limit.allow(nowUs)).filter(Boolean).length
    expect([allowed(0), allowed(200_000), allowed(200_000), allowed(10_000_000)]).toEqual([10, 2, 0, 10])
  })
})

describe('chain', () => {
  it('any adding and removing, also in the middle of a walk -> what stays is met once, in the order in which it came', () => {
    const step = fc.record({ which: fc.nat(9), isWalking: fc.boolean() })
    fc.assert(fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const chain = new Chain<number>()
      const links = Array.from({ length: 10 }, (_, i) => new Link(i))
      const model = new Set<number>()
      const gone = new Set<number>()
      const met: number[] = []
      for (const link of links.slice(0, 5)) chain.add(link)
      for (let i = 0; i < 5; i++) model.add(i)
      const walk = chain[Symbol.iterator]()
      for (const { which, isWalking } of steps) {
        if (isWalking) {
          const { done, value } = walk.next()
          if (done !== true) met.push(value)
        } else if (model.delete(which)) {
          gone.add(which)
          chain.remove(links[which])
        } else {
          model.add(which)
          chain.add(links[which])
        }
      }
      met.push(...walk)
      expect([...chain]).toEqual([...model])
      expect([chain.size, chain.first]).toEqual([model.size, [...model][0] ?? null])
      for (const item of [0, 1, 2, 3, 4]) if (!gone.has(item)) expect(met.filter((one) => one === item)).toEqual([item])
    }))
  })

  it('removed from another chain than its own -> stays; added to that -> is there alone', () => {
    const [one, other] = [new Chain<number>(), new Chain<number>()]
    const link = new Link(1)
    one.add(link)
    other.remove(link)
    expect([one.size, other.size]).toEqual([1, 0])
    other.add(link)
    expect([[...one], [...other], one.size]).toEqual([[], [1], 0])
  })
})

describe('connection table', () => {
  it('any connections, also with the same key -> found by four-tuple until removed', () => {
    const small = fc.record({ localIp: fc.nat(1), localPort: fc.nat(65_535), remoteIp: fc.nat(2),
      remotePort: fc.nat(65_535) })
    fc.assert(fc.property(fc.uniqueArray(small, { selector: (tuple) => JSON.stringify(tuple), maxLength: 60 }),
      (tuples) => {
      const table = new ConnectionTable(new Stats(new Float64Array(COUNTERS_BYTES / 8)), TraceWriter.off(), 7)
      const connections = tuples.map((tuple) => new Connection(tuple, false))
      for (const connection of connections) table.add(connection)
      expect(table.size).toBe(tuples.length)
      connections.forEach((connection, i) => {
        if (i % 2 === 0) table.remove(connection)
      })
      connections.forEach((connection, i) => expect(table.find(tuples[i])).toBe(i % 2 === 0 ? null : connection))
    }))
  })

  it('more connections than places -> all found, each removable', () => {
    const table = new ConnectionTable(new Stats(new Float64Array(COUNTERS_BYTES / 8)), TraceWriter.off(), 7)
    const connections = Array.from({ length: 100_000 }, (_, i) => (
      new Connection({ localIp: 1, localPort: i & 0xffff, remoteIp: 5, remotePort: 1 + (i >>> 16) }, false)))
    for (const connection of connections) table.add(connection)
    expect(connections.every((connection) => table.find(connection) === connection)).toBe(true)
    for (const connection of connections) table.remove(connection)
    expect([table.size, table.find(connections[5])]).toEqual([0, null])
  })
})

describe('first check of a segment (RFC 9293, 3.10.7.4, table 6)', () => {
  const RCV_NXT = -100
  /** Acceptable with `payloadLen` bytes `from` numbers behind RCV.NXT, the window being `rcvWnd`. */
  const check = (from: number, payloadLen: number, rcvWnd: number, flags = TCP_ACK): boolean => {
    const seq = RCV_NXT + from
    const header = { sourcePort: 1, targetPort: 2, seq, ack: 0, flags, window: 0, urgent: 0, headerLen: 20, payloadAt: 0 }
    return isAcceptable({ ...header, payloadLen, options: NO_OPTIONS }, RCV_NXT, rcvWnd)
  }

  it.each([
    ['empty, window 0', 0, 0, [false, true, false]],
    ['empty, window 1', 0, 1, [false, true, false]],
    ['empty, window 2', 0, 2, [false, true, true]],
    ['one byte, window 0', 1, 0, [false, false, false]],
    ['two bytes, window 1', 2, 1, [true, true, false]],
    ['two bytes, window 300: across zero', 2, 300, [true, true, true]],
  ])('%s -> one before, at and one behind RCV.NXT', (_, payloadLen, rcvWnd, expected) => {
    expect([-1, 0, 1].map((from) => check(from, payloadLen, rcvWnd))).toEqual(expected)
  })

  it('a FIN takes a number -> like a byte', () => {
    expect([check(-1, 1, 1, TCP_ACK | TCP_FIN), check(-1, 0, 1, TCP_ACK | TCP_FIN), check(0, 0, 0, TCP_ACK | TCP_FIN)]).toEqual([true, false, false])
  })
})
