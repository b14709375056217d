/** Hosts, threads and time of a churn run. */
import { Stack } from '../../../lib/sockets/stack.js'
import { SimHost } from '../../sim/host.js'
import { GOOD_LINK, type LinkFaults, SimNetwork } from '../../sim/network.js'
import { Draw } from '../../sim/seeds/draw.js'
import { makeStack, makeThreads, runFor } from '../simhosts.js'

export interface Thread {
  readonly name: string
  readonly host: number
  readonly stack: Stack
  /** What can block: stacks of one Tas block together. */
  readonly owner: number
  /** Threads of one number share an application; -1: shares none. */
  readonly shared: number
}

export class World {
  readonly draw: Draw
  readonly net: SimNetwork
  readonly hosts: readonly SimHost[]
  readonly threads: readonly Thread[]
  readonly isLossy: boolean
  /** Whose thread is inside a call that may block; -1: none. */
  blocked = -1

  constructor(seed: number) {
    this.draw = new Draw(seed)
    const faults = drawLink(this.draw)
    this.isLossy = faults.loss > 0
    this.net = new SimNetwork(seed, faults)
    const bufLen = this.draw.power(12, 15)
    this.hosts = [1, 2].map((last) => new SimHost(this.net, { ip: 0x0a000000 | last, bufLen, config: { appPollIntervalUs: 0 } }))
    this.threads = this.hosts.flatMap((host, index) => this.threadsOf(host, index))
  }

  private threadsOf(host: SimHost, index: number): Thread[] {
    const alone = makeStack(this.net, host)
    const owner = 3 * index
    const own = [alone, new Stack(alone.tas)].map((stack, i) => ({ name: `${index}${'ab'[i]}`, host: index, stack, owner, shared: -1 }))
    const pair = makeThreads(this.net, host).map((stack, i) => ({ name: `${index}${'cd'[i]}`, host: index, stack, owner: owner + 1 + i, shared: index }))
    return [...own, ...pair]
  }

  get nowUs(): number {
    return this.net.nowUs
  }

  /** Time passes in which no program does anything, but for what was put off. */
  pass(us: number): void {
    runFor(this.net, () => false, us)
  }

  /** `act` may block the thread. */
  blocking<T>({ owner }: Thread, act: () => T): T {
    const before = this.blocked
    this.blocked = owner
    try {
      return act()
    } finally {
      this.blocked = before
    }
  }

  address(host: number): string {
    return host < 0 ? '10.0.0.77' : `10.0.0.${host + 1}`
  }

  mend(): void {
    this.net.faults = GOOD_LINK
  }
}

function drawLink(draw: Draw): LinkFaults {
  const delayUs = draw.logInt(10, 20_000)
  if (draw.chance(0.5)) return { ...GOOD_LINK, delayUs }
  return {
    loss: draw.fraction() * 0.08, duplicate: draw.fraction() * 0.05, reorder: draw.fraction() * 0.1, reorderUs: draw.logInt(10, 5000), corrupt: 0, delayUs,
  }
}
