/** The sender's scoreboard, beside a plain array of one entry for each sequence number. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HOLE, LOST, RESENT, SACKED, Scoreboard } from '../../service/slow/recovery/scoreboard.js'

const kinds = (board: Scoreboard): [number, number, number][] => board.runs.map(({ start, end, kind }) => [start, end, kind])

describe('scoreboard', () => {
  it('SACK above a gap -> a hole and a sacked run (RFC 6675, 4)', () => {
    const board = new Scoreboard(100)
    const delivery = board.delivery()
    board.sack(300, 400, 5, delivery)
    expect(kinds(board)).toEqual([[100, 300, HOLE], [300, 400, SACKED]])
    expect(delivery).toEqual({ bytes: 100, highestBefore: 100, reordered: false, lastOriginal: 400, lastResentUs: 0 })
  })

  it('a hole that is SACKed though nothing was sent again -> the network reorders', () => {
    const board = new Scoreboard(100)
    board.sack(300, 400, 5, board.delivery())
    const delivery = board.delivery()
    board.sack(200, 300, 6, delivery)
    expect(delivery).toMatchObject({ bytes: 100, reordered: true })
    expect(kinds(board)).toEqual([[100, 200, HOLE], [200, 400, SACKED]])
  })

  it('a hole that was sent again -> credited to the retransmission', () => {
    const board = new Scoreboard(100)
    board.sack(300, 400, 5, board.delivery())
    board.lose(100, 300)
    board.resent(100, 200, 9, 500)
    const delivery = board.delivery()
    board.advance(200, delivery)
    expect(delivery).toEqual({ bytes: 100, highestBefore: 400, reordered: false, lastOriginal: null, lastResentUs: 9 })
    expect(kinds(board)).toEqual([[200, 300, LOST], [300, 400, SACKED]])
  })

  it('cumulative acknowledgment into a run -> cut; beyond everything -> empty', () => {
    const board = new Scoreboard(100)
    board.sack(300, 400, 5, board.delivery())
    board.advance(350, board.delivery())
    expect(kinds(board)).toEqual([[350, 400, SACKED]])
    const delivery = board.delivery()
    board.advance(900, delivery)
    expect([board.runs.length, delivery.bytes, delivery.lastOriginal]).toEqual([0, 500, 900])
  })

  it('timeout -> all lost but what is SACKed; reneging -> that too (RFC 2018, 8)', () => {
    const board = new Scoreboard(100)
    board.sack(300, 400, 5, board.delivery())
    board.loseAll(1000)
    expect(kinds(board)).toEqual([[100, 300, LOST], [300, 400, SACKED], [400, 1000, LOST]])
    board.renege()
    expect(kinds(board)).toEqual([[100, 1000, LOST]])
    expect(board.bytes(LOST)).toBe(900)
  })

  it('sequence numbers that wrap -> the same', () => {
    const board = new Scoreboard(0x7ffffff0)
    board.sack((0x7ffffff0 + 32) | 0, (0x7ffffff0 + 64) | 0, 1, board.delivery())
    expect([board.bytes(HOLE), board.bytes(SACKED)]).toEqual([32, 32])
    board.advance((0x7ffffff0 + 48) | 0, board.delivery())
    expect([board.bytes(HOLE), board.bytes(SACKED)]).toEqual([0, 16])
  })

  it('any operations -> the same as one entry for each number', () => {
    const range = fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 20 }))
    const step = fc.tuple(fc.constantFrom('sack', 'advance', 'lose', 'resent', 'loseAll'), range)
    fc.assert(fc.property(fc.array(step, { maxLength: 30 }), fc.integer(), (steps, base) => {
      const board = new Scoreboard(base | 0)
      const model = new Map<number, number>()
      let una = 0
      for (const [what, [from, len]] of steps) {
        const start = Math.max(from, una)
        const end = start + len
        const top = Math.max(una, ...[...model.keys()].map((seq) => seq + 1))
        const at = (seq: number): number => (base + seq) | 0
        if (what === 'sack') {
          for (let seq = top; seq < start; seq++) model.set(seq, HOLE)
          for (let seq = start; seq < end; seq++) model.set(seq, SACKED)
          board.sack(at(start), at(end), 1, board.delivery())
        } else if (what === 'advance') {
          una = end
          for (const seq of [...model.keys()]) if (seq < una) model.delete(seq)
          board.advance(at(end), board.delivery())
        } else if (what === 'lose') {
          for (let seq = top; seq < end; seq++) model.set(seq, HOLE)
          for (let seq = start; seq < end; seq++) if (model.get(seq) !== SACKED) model.set(seq, LOST)
          board.lose(at(start), at(end))
        } else if (what === 'resent') {
          for (let seq = start; seq < end; seq++) if (model.get(seq) === LOST) model.set(seq, RESENT)
          board.resent(at(start), at(end), 2, at(100))
        } else {
          for (let seq = top; seq < end; seq++) model.set(seq, LOST)
          for (const [seq, kind] of model) if (kind !== SACKED) model.set(seq, LOST)
          board.loseAll(at(Math.max(end, top)))
        }
        const seen = board.runs.flatMap(({ start: first, end: last, kind }) =>
          Array.from({ length: (last - first) | 0 }, (_, i) => [(first + i - base) | 0, kind]))
        expect(seen).toEqual([...model].sort((a, b) => a[0] - b[0]))
        for (const kind of [HOLE, SACKED, LOST, RESENT] as const) {
          expect(board.bytes(kind)).toBe([...model.values()].filter((value) => value === kind).length)
        }
      }
    }))
  })
})
