import { describe, expect, it } from 'vitest'
import { flowHash, type PortOptions } from '../../experiments/engine/index.js'
import { aloneUs } from '../../experiments/runs/cluster.js'
import { fatTreeIp, linksBetween, makeFatTree } from '../../experiments/topology/fattree.js'
import { makeStar, starIp } from '../../experiments/topology/star.js'
import { writeU16, writeWord } from '../../lib/wire/index.js'

const PORT: PortOptions = { rateKbps: 10_000_000, delayUs: 2, queuePackets: 300, markPackets: 65 }
const HOST = { flows: 64, bufBytes: 1 << 18, cc: { algorithm: 'cubic' } } as const

describe('star', () => {
  it('a flow each from two hosts to a third -> all bytes arrive, and nothing waits at ports that lead elsewhere', () => {
    const { fabric, nodes, ports } = makeStar({ seed: 1, hosts: 3, port: PORT, host: () => HOST })
    const flows = [1, 2].map((i) => nodes[i].program.send(starIp(0), 100_000))
    fabric.pass(20_000)
    expect(flows.map(({ received, status }) => [received, status])).toEqual([[100_000, 0], [100_000, 0]])
    expect(ports[1].queueMax + ports[2].queueMax).toBe(0)
    expect(ports[0].sentBytes).toBeGreaterThan(200_000)
  })

  it('the same seed -> the same events and times', () => {
    const play = (): number[] => {
      const { fabric, nodes, ports } = makeStar({ seed: 5, hosts: 3, port: PORT, host: () => HOST })
      const flows = [1, 2].map((i) => nodes[i].program.send(starIp(0), 300_000))
      fabric.pass(20_000)
      return [fabric.timeline.acts, ports[0].queueMax, ...flows.map(({ endUs }) => endUs)]
    }
    expect(play()).toEqual(play())
  })
})

describe('fat tree', () => {
  it('k = 4 -> 16 hosts with the addresses of the paper, 10.pod.edge.host', () => {
    const ips = Array.from({ length: 16 }, (_, i) => fatTreeIp(4, i))
    expect(new Set(ips).size).toBe(16)
    expect([ips[0], ips[1], ips[2], ips[15]]).toEqual([0x0a000002, 0x0a000003, 0x0a000102, 0x0a030103])
  })

  it('links between hosts -> 2 at one edge switch, 4 in a pod, 6 between pods', () => {
    expect([1, 2, 4].map((other) => linksBetween(fatTreeIp(4, 0), fatTreeIp(4, other)))).toEqual([2, 4, 6])
  })

  it('k that is odd, or too large -> refused', () => {
    for (const k of [3, 0, 34]) expect(() => makeFatTree({ seed: 1, k, port: PORT, host: HOST })).toThrow(RangeError)
  })

  it('one flow between any two hosts, one after the other -> in the time that its way takes alone', () => {
    const { fabric, nodes } = makeFatTree({ seed: 2, k: 4, port: PORT, host: HOST })
    fabric.pass(1_000)
    for (let from = 0; from < nodes.length; from++) {
      const to = (from * 7 + 3) % nodes.length
      if (to === from) continue
      const flow = nodes[from].program.send(nodes[to].ip, 5_000)
      fabric.pass(3_000)
      const tookUs = flow.endUs - flow.startUs
      const leastUs = aloneUs(nodes[from].ip, nodes[to].ip, 5_000)
      // Hosts' clocks tick in microseconds: each of their turns can add one.
      expect([from, to, tookUs >= leastUs, tookUs <= leastUs + 8]).toEqual([from, to, true, true])
    }
  })

  it('many flows between pods -> all ports up are used, and all bytes arrive', () => {
    const { fabric, nodes, ports } = makeFatTree({ seed: 3, k: 4, port: PORT, host: HOST })
    const flows = Array.from({ length: 64 }, (_, i) => nodes[i % 4].program.send(nodes[4 + (i % 12)].ip, 3_000))
    fabric.pass(30_000)
    expect(flows.every(({ isDone }) => isDone)).toBe(true)
    // Half of the 96 ports lead to the pods' lower parts: what goes up from pod 0 takes 4 + 4 ports.
    expect(ports.filter(({ sentBytes }) => sentBytes > 10_000).length).toBeGreaterThanOrEqual(4 + 4 + 4)
  })
})

describe('hash of a flow', () => {
  function frame(port: number): Uint8Array {
    const bytes = new Uint8Array(60)
    writeWord(bytes, 26, 0x0a000001)
    writeWord(bytes, 30, 0x0a000002)
    writeU16(bytes, 34, port)
    writeU16(bytes, 36, 80)
    return bytes
  }

  it('the same flow -> the same; others -> spread evenly; another salt -> independently', () => {
    expect(flowHash(frame(5), 1)).toBe(flowHash(frame(5), 1))
    const choices = Array.from({ length: 4_000 }, (_, i) => [flowHash(frame(i), 1) % 4, flowHash(frame(i), 2) % 4])
    for (let first = 0; first < 4; first++) {
      for (let second = 0; second < 4; second++) {
        const count = choices.filter(([a, b]) => a === first && b === second).length
        expect(count).toBeGreaterThan(200)
        expect(count).toBeLessThan(300)
      }
    }
  })
})
