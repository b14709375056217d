/** Which size of packet is tried next (RFC 4821, 7.3; RFC 8899, 5.3.2). */
import { describe, expect, it } from 'vitest'
import { MAX_PROBES, MtuSearch } from '../../service/slow/mtusearch.js'

/** Sizes tried on a path that carries `mtu`, repetitions left out, and what was found. */
function play(search: MtuSearch, mtu: number): { tried: number[]; found: number } {
  const tried: number[] = []
  for (let size = search.next(); size !== 0; size = search.next()) {
    if (tried[tried.length - 1] !== size) tried.push(size)
    if (size <= mtu) search.passed(size)
    else search.lost(size)
    if (tried.length > 100) throw new Error('no end')
  }
  return { tried, found: search.found }
}

describe('search', () => {
  it('all of it comes through -> one probe', () => {
    expect(play(new MtuSearch(1200, 1500), 1500)).toEqual({ tried: [1500], found: 1500 })
  })

  it.each([
    [1200, 1500, 1492], [1200, 1500, 1450], [1200, 1500, 1400], [1200, 1500, 1280], [576, 1500, 1006], [1200, 9000, 1500], [1200, 9000, 4352],
  ])('from %i, up to %i, a size that links have: %i -> exactly that, or a few bytes less', (low, high, mtu) => {
    const { found } = play(new MtuSearch(low, high), mtu)
    expect([found <= mtu, mtu - found < 16]).toEqual([true, true])
  })

  it('any size -> found to within 16 bytes, in few probes', () => {
    for (let mtu = 552; mtu <= 9000; mtu += 7) {
      const { tried, found } = play(new MtuSearch(552, 9000), mtu)
      expect([mtu, found <= mtu, mtu - found < 16, tried.length <= 14]).toEqual([mtu, true, true, true])
    }
  })

  it('nothing comes through -> what was known', () => {
    expect(play(new MtuSearch(1200, 1500), 1200).found).toBe(1200)
  })

  it('lost less than three times -> tried again, and may still come through (RFC 8899, 5.1.2)', () => {
    const search = new MtuSearch(1200, 1500)
    for (let i = 1; i < MAX_PROBES; i++) search.lost(1500)
    expect(search.next()).toBe(1500)
    search.passed(1500)
    expect([search.next(), search.found]).toEqual([0, 1500])
  })

  it('nothing to gain -> over at once', () => {
    expect([new MtuSearch(1500, 1500).next(), new MtuSearch(1500, 1400).next()]).toEqual([0, 0])
  })
})

describe('a router tells a size', () => {
  it('between -> that is tried next; the loss of what it was about says nothing more', () => {
    const search = new MtuSearch(1200, 1500)
    search.limit(1337)
    for (let i = 0; i < MAX_PROBES; i++) search.lost(1500)
    expect(search.next()).toBe(1337)
    search.passed(1337)
    expect([search.next(), search.found]).toEqual([0, 1337])
  })

  it('no more than what is known to work, or less -> over', () => {
    for (const told of [1200, 600]) {
      const search = new MtuSearch(1200, 1500)
      search.limit(told)
      expect([search.next(), search.found]).toEqual([0, 1200])
    }
  })

  it('more than is looked for -> ignored', () => {
    const search = new MtuSearch(1200, 1500)
    search.limit(1600)
    expect(search.next()).toBe(1500)
  })
})
