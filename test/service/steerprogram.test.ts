import { describe, expect, it } from 'vitest'
import { FLOW_GROUPS, flowGroup, frameGroup } from '../../lib/memif/index.js'
import { SeededRandom } from '../../tools/linkem/index.js'
import { steerProgram } from '../../service/steerprogram.js'
import { runBpf } from './bpf.js'

const ETHERNET_BYTES = 14

interface FrameOptions {
  readonly etherType?: number
  readonly protocol?: number
  /** Flags and fragment offset. */
  readonly fragment?: number
  /** Words of IP options. */
  readonly options?: number
  readonly len?: number
}

/** An Ethernet frame with what steering looks at; everything else is random. */
function frame(random: SeededRandom, change: FrameOptions = {}): Uint8Array {
  const { etherType = 0x0800, protocol = 6, fragment = 0x4000, options = 0, len = 80 } = change
  const bytes = random.bytes(len)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  view.setUint16(12, etherType)
  bytes[14] = 0x45 + options
  if (len > 21) view.setUint16(20, fragment)
  if (len > 23) bytes[23] = protocol
  return bytes
}

function run(table: Uint8Array, bytes: Uint8Array): number {
  return runBpf(steerProgram(table), bytes.subarray(ETHERNET_BYTES), (bytes[12] << 8) | bytes[13])
}

function randomTable(random: SeededRandom, workers: number): Uint8Array {
  return Uint8Array.from({ length: FLOW_GROUPS }, () => random.u32() % workers)
}

describe('steering program', () => {
  it.each([1, 2, 3, 16])('TCP segments, a table of %s workers -> the worker of the group that slow path and workers compute', (workers) => {
    const random = new SeededRandom(workers)
    for (let tables = 0; tables < 20; tables++) {
      const table = randomTable(random, workers)
      for (let i = 0; i < 100; i++) {
        const bytes = frame(random, { options: i % 11 })
        expect(run(table, bytes)).toBe(table[frameGroup(bytes, 0, bytes.length)])
      }
    }
  })

  it('ARP, ICMP, fragments, frames cut short -> worker 0', () => {
    const random = new SeededRandom(7)
    const table = new Uint8Array(FLOW_GROUPS).fill(1)
    const odd = [
      { etherType: 0x0806 }, { protocol: 1 }, { fragment: 0x2000 }, { fragment: 0x0010 }, { len: 30 }, { len: 35 }, { len: 52, options: 10 },
    ]
    for (const change of odd) {
      const bytes = frame(random, change)
      expect([run(table, bytes), frameGroup(bytes, 0, bytes.length)]).toEqual([0, -1])
    }
  })

  it('every table -> far below the kernel\'s bound of 4096 instructions; only a table of FLOW_GROUPS is taken', () => {
    const worst = steerProgram(Uint8Array.from({ length: FLOW_GROUPS }, (_, group) => group % 16)).length
    expect(worst / 8).toBeLessThan(300)
    expect(() => steerProgram(new Uint8Array(3))).toThrow(RangeError)
  })
})

describe('flow groups', () => {
  it('both directions of a connection -> the same group', () => {
    const random = new SeededRandom(1)
    for (let i = 0; i < 1000; i++) {
      const [a, b] = [random.u32() | 0, random.u32() | 0]
      const [p, q] = [random.u32() & 0xffff, random.u32() & 0xffff]
      expect(flowGroup(a, p, b, q)).toBe(flowGroup(b, q, a, p))
    }
  })

  it.each([1, 2, 4])('a client\'s ports in steps of %s -> every group has its share', (step) => {
    const counts = new Uint32Array(FLOW_GROUPS)
    const ports = 4096
    for (let i = 0; i < ports; i++) counts[flowGroup(0x0a000001, 80, 0x0a000002, 32_768 + i * step)]++
    expect(Math.max(...counts)).toBeLessThan(ports / FLOW_GROUPS * 1.5)
    expect(Math.min(...counts)).toBeGreaterThan(ports / FLOW_GROUPS / 2)
  })

  it('many clients with one port each -> every group has its share', () => {
    const counts = new Uint32Array(FLOW_GROUPS)
    for (let i = 0; i < 4096; i++) counts[flowGroup(0x0a000001, 80, 0x0a000100 + i, 40_000)]++
    expect(Math.max(...counts)).toBeLessThan(48)
    expect(Math.min(...counts)).toBeGreaterThan(16)
  })
})
