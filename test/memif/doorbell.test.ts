import { describe, expect, it } from 'vitest'
import { Doorbell, SleepMark } from '../../lib/memif/index.js'

interface Scene {
  readonly mark: SleepMark
  readonly word: () => number
  readonly makeBell: () => Doorbell
  readonly wakes: () => number
}

function scene(): Scene {
  const words = new Int32Array(new SharedArrayBuffer(16))
  let wakes = 0
  return {
    mark: new SleepMark(words, 2), word: () => words[2], wakes: () => wakes,
    makeBell: () => new Doorbell(words, 2, { wake: () => { wakes++ } }),
  }
}

describe('doorbell', () => {
  it('awake -> not woken; asleep -> woken once, however often there is news', () => {
    const { mark, makeBell, wakes } = scene()
    const bell = makeBell()
    expect(bell.ring()).toBe(false)
    mark.set()
    expect([bell.ring(), bell.ring(), bell.ring(), wakes()]).toEqual([true, false, false, 1])
  })

  it('every sleep -> woken again; each waker wakes, since its news may have come after the other looked', () => {
    const { mark, makeBell, wakes } = scene()
    const bells = [makeBell(), makeBell()]
    for (let sleep = 0; sleep < 5; sleep++) {
      mark.set()
      expect(bells.map((bell) => bell.ring())).toEqual([true, true])
      mark.clear()
      expect(bells.map((bell) => bell.ring())).toEqual([false, false])
    }
    expect(wakes()).toBe(10)
  })

  it('the sleeper died asleep, its successor sleeps -> woken', () => {
    const { mark, makeBell } = scene()
    const bell = makeBell()
    mark.set()
    bell.ring()
    mark.set()
    expect(bell.ring()).toBe(true)
  })

  it('cleared twice -> awake', () => {
    const { mark, makeBell, word } = scene()
    mark.set()
    mark.clear()
    mark.clear()
    expect([word() % 2, makeBell().ring()]).toEqual([0, false])
  })
})
