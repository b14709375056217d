/** Which groups move where loads are uneven, and how loads of groups are told. */
import { describe, expect, it } from 'vitest'
import { FLOW_GROUPS, flowGroup, TCB_RCV_NXT, TCB_SND_MAX } from '../../lib/memif/index.js'
import { Balancer, balanceGroups, SAMPLE_US, UNEVEN_US } from '../../service/slow/balance.js'
import { GroupLoads } from '../../service/slow/grouploads.js'
import { OUR_IP, PEER_IP } from './frames.js'
import { LISTEN_PORT } from './harness.js'
import { listening, shakeHands } from './scenes.js'

/** Groups 0 to 63 are worker 0's, the rest worker 1's. */
const HALVES = Uint8Array.from({ length: FLOW_GROUPS }, (_, group) => (group < 64 ? 0 : 1))

function groupLoads(some: Readonly<Record<number, number>>): Float64Array {
  const loads = new Float64Array(FLOW_GROUPS)
  for (const [group, load] of Object.entries(some)) loads[Number(group)] = load
  return loads
}

/** The groups that another worker has in `after` than in HALVES. */
function moved(after: Uint8Array | null): number[] {
  return after === null ? [] : [...HALVES.keys()].filter((group) => after[group] !== HALVES[group])
}

describe('groups that move', () => {
  const balance = (loads: Readonly<Record<number, number>>, workers: readonly number[]): number[] => {
    return moved(balanceGroups(HALVES, groupLoads(loads), workers, 0, 1))
  }

  it('one hot group and a few warm ones -> the warm ones leave it', () => {
    expect(balance({ 3: 60, 4: 10, 5: 10, 6: 10 }, [0.9, 0.1])).toEqual([4, 5, 6])
  })

  it('two hot groups -> one of them', () => {
    expect(balance({ 3: 50, 9: 50 }, [1, 0])).toHaveLength(1)
  })

  it('a single group is all the load -> none: the other worker would be as busy then', () => {
    expect(balance({ 3: 100 }, [1, 0.1])).toEqual([])
  })

  it('many alike -> as many as even the loads out, at most 16 at a time', () => {
    const alike = Object.fromEntries(Array.from({ length: 64 }, (_, group) => [group, 1]))
    expect(balance(alike, [0.9, 0.5])).toHaveLength(14)
    expect(balance(alike, [1, 0])).toHaveLength(16)
  })

  it('nothing has moved data -> none', () => {
    expect(balance({}, [1, 0])).toEqual([])
  })

  it('other workers\' groups -> are not looked at', () => {
    expect(balance({ 3: 50, 9: 50, 100: 1000 }, [1, 0])).toHaveLength(1)
  })
})

describe('when', () => {
  /** A balancer that is looked with every two milliseconds. Returns when the table changed, in microseconds. */
  const changes = (forUs: number, loads: (us: number) => readonly number[], of: Readonly<Record<number, number>>): number[] => {
    const at: number[] = []
    let nowUs = 0
    const steering = { copyTable: () => HALVES.slice(), change: () => void at.push(nowUs) }
    const sampled: number[] = []
    const balancer = new Balancer(steering, { begin: (worker) => void sampled.push(worker), end: () => groupLoads(of) })
    for (; nowUs < forUs; nowUs += 2_000) balancer.look(nowUs, Float64Array.from(loads(nowUs)), 2)
    expect(new Set(sampled).size).toBeLessThanOrEqual(1)
    return at
  }
  const hot = { 3: 50, 9: 50 }

  it('uneven for a second -> a change, the next not before another', () => {
    const [first, second] = changes(3_000_000, () => [0.9, 0.1], hot)
    expect(first).toBeGreaterThanOrEqual(UNEVEN_US + SAMPLE_US)
    expect(first).toBeLessThan(UNEVEN_US + 2 * SAMPLE_US)
    expect(second - first).toBeGreaterThanOrEqual(UNEVEN_US)
  })

  it.each([
    ['both busy', () => [0.9, 0.8]], ['neither', () => [0.5, 0]], ['uneven for a moment again and again', (us: number) => (us % 1_000_000 < 900_000 ? [0.9, 0.1] : [0.4, 0.4])],
  ])('%s -> no change', (_name, loads) => {
    expect(changes(10_000_000, loads, hot)).toEqual([])
  })
})

describe('loads of groups', () => {
  it('what connections have sent and received between two looks -> in packets, by their groups', () => {
    const { host } = listening()
    const ports = [5001, 5002, 5003]
    const flows = ports.map((port) => {
      shakeHands(host, port)
      return host.work()[0].flow
    })
    const loads = new GroupLoads(() => host.slow['stack'])
    loads.begin(0)
    const move = (flow: number, word: number, bytes: number): void => host.setTcb(flow, word, (host.tcb(flow, word) + bytes) | 0)
    move(flows[0], TCB_SND_MAX, 64)
    move(flows[0], TCB_RCV_NXT, 64)
    move(flows[1], TCB_RCV_NXT, 100_000)
    const groups = ports.map((port) => flowGroup(OUR_IP, LISTEN_PORT, PEER_IP, port))
    expect(new Set(groups).size).toBe(3)
    const seen = loads.end()
    expect(groups.map((group) => seen[group])).toEqual([2, 196, 0])
    expect(seen.reduce((sum, load) => sum + load)).toBe(198)
  })

  it('another worker\'s, or ended between the looks -> not counted', () => {
    const { host } = listening()
    shakeHands(host, 5001)
    const loads = new GroupLoads(() => host.slow['stack'])
    loads.begin(1)
    expect(loads.end().every((load) => load === 0)).toBe(true)
  })
})
