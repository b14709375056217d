import { describe, expect, it } from 'vitest'
import { connectionMemory, kibibytesOf } from '../../bench/memory.js'

const MIB = 2 ** 20

describe('memory of connections', () => {
  const before = { processes: 10 * MIB, kernelObjects: 100 * MIB }
  const after = { processes: 14 * MIB, kernelObjects: 110 * MIB }

  it('a server on TAS -> what its processes have grown by', () => {
    expect(connectionMemory(before, after, false)).toBe(4 * MIB)
  })

  it('a server on the kernel -> half of the kernel\'s growth with it: the other half is the client\'s', () => {
    expect(connectionMemory(before, after, true)).toBe(9 * MIB)
  })

  it('less than before -> none', () => {
    expect(connectionMemory(after, before, false)).toBe(0)
  })
})

describe('a line of /proc', () => {
  it('a name -> its bytes; another that begins alike is not taken', () => {
    const text = 'Pss_Dirty:            4 kB\nPss:                 12 kB\n'
    expect(kibibytesOf(text, 'Pss')).toBe(12_288)
    expect(kibibytesOf(text, 'Rss')).toBe(0)
  })
})
