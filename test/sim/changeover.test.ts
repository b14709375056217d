/** Flows that change their worker while data flows: every byte once and in order, whatever is lost, late or dies meanwhile. */
import { describe, expect, it } from 'vitest'
import { FLOW_GROUPS } from '../../lib/memif/index.js'
import { DEFAULT_TCP } from '../../service/slow/config.js'
import type { SteerPort } from '../../service/slow/steering.js'
import { SimHost } from './host.js'
import { GOOD_LINK, type LinkFaults, SimNetwork } from './network.js'
import { CLIENT_IP, MINUTE_US, SERVER_IP } from './scene.js'
import { Side } from './stream.js'

const PORT = 80
const LONG_LINK: LinkFaults = { ...GOOD_LINK, delayUs: 500 }
const BAD_LINK: LinkFaults = { ...GOOD_LINK, loss: 0.01, duplicate: 0.01, reorder: 0.05, reorderUs: 300, delayUs: 200 }

interface Conversation {
  readonly serving: Side
  readonly calling: Side
  readonly toServer: number
  readonly toClient: number
}

interface Scene {
  readonly net: SimNetwork
  readonly server: SimHost
  readonly client: SimHost
  readonly talks: Conversation[]
}

interface SceneOptions {
  readonly workers: number
  readonly connections: number
  readonly bytes: number
  /** Both programs at the server's host: the connections stay inside. */
  readonly isInside: boolean
}

/** A port that has told the kernel a new table and hears some time later that it is in force. */
function slowSteer(net: SimNetwork): SteerPort {
  return (_table, done) => net.schedule(net.nowUs + net.random.below(200), () => done(true))
}

function scene(seed: number, { workers, connections, bytes, isInside }: SceneOptions): Scene {
  const net = new SimNetwork(seed)
  const tcp = { ...DEFAULT_TCP, rxBufLen: 1 << 14, txBufLen: 1 << 14, rxBufMax: 1 << 17 }
  const common = { workers, flows: 64, regionBytes: 1 << 24, config: { tcp } }
  const server = new SimHost(net, { ip: SERVER_IP, ...common, ...isInside ? {} : { steer: slowSteer(net) } })
  const client = isInside ? server : new SimHost(net, { ip: CLIENT_IP, ...common, steer: slowSteer(net) })
  const [serves, calls] = [server.connectApp('server').tas, client.connectApp('client').tas]
  const talks: Conversation[] = []
  for (let i = 0; i < connections; i++) {
    const [toServer, toClient] = [net.random.below(bytes), net.random.below(bytes)]
    const serving = new Side(serves.createContext(), toClient)
    const calling = new Side(calls.createContext(), toServer)
    serving.listen(PORT + i)
    talks.push({ serving, calling, toServer, toClient })
  }
  for (const host of new Set([server, client])) {
    const step = host.step.bind(host)
    const sides = talks.flatMap(({ serving, calling }) => [...host === server ? [serving] : [], ...host === client ? [calling] : []])
    host.step = (nowUs) => sides.reduce((work, side) => work + side.step(), step(nowUs))
  }
  net.run(() => false, 1_000)
  return { net, server, client, talks }
}

/** Gives `share` of all groups other workers, all at once. */
function moveGroups(net: SimNetwork, host: SimHost, share: number): void {
  const { steering } = host.slow['stack']
  const table = steering['table'].slice()
  for (let group = 0; group < FLOW_GROUPS; group++) {
    if (net.random.below(1_000) < share * 1_000) table[group] = net.random.below(host.workers.length)
  }
  steering.change(table)
}

/** Does `act` again and again, at random times, as long as the conversations last. */
function disturb({ net, talks }: Scene, everyUs: number, act: () => void): void {
  const again = (): void => {
    if (talks.every(({ serving, calling }) => serving.closed && calling.closed)) return
    act()
    net.schedule(net.nowUs + 1 + net.random.below(everyUs), again)
  }
  net.schedule(net.nowUs + net.random.below(everyUs), again)
}

/** Moves groups of the server every so many steps: between connections that stay inside no time passes. */
function disturbSteps({ net, server }: Scene, every: number): void {
  const step = server.step.bind(server)
  server.step = (nowUs) => {
    if (net.random.below(every) === 0) moveGroups(net, server, 0.3)
    return step(nowUs)
  }
}

/** All conversations end well, and once time has passed nothing is left of them. */
function expectDone({ net, server, client, talks }: Scene, limitUs = 30 * MINUTE_US): void {
  talks.forEach(({ calling }, i) => calling.connect(SERVER_IP, PORT + i))
  expect(net.run(() => talks.every(({ serving, calling }) => serving.closed && calling.closed), limitUs)).toBe(true)
  for (const { serving, calling, toServer, toClient } of talks) {
    expect([serving.status, calling.status, serving.received, calling.received]).toEqual([0, 0, toServer, toClient])
  }
  expect(server.slowCount('flowsMoved')).toBeGreaterThan(talks.length)
  net.faults = GOOD_LINK
  net.run(() => false, 10 * MINUTE_US)
  for (const host of [server, client]) {
    for (const name of ['flowsEstablished', 'flowsClosing', 'flowsTimeWait', 'bufferBytes', 'appBadRequests'] as const) {
      expect([name, host.slowCount(name)]).toEqual([name, 0])
    }
    expect([host.fastCount('flows'), host.fastCount('appBadBumps')]).toEqual([0, 0])
    expect(host.slow['stack'].changeover.isUnderWay).toBe(false)
    expect(host.slow.nextDeadlineUs()).toBe(Infinity)
  }
}

const SEEDS = [1, 2, 3]

describe('groups move at random times', () => {
  it.each(SEEDS)('seed %i, a good link -> every byte once and in order, nothing is sent again', (seed) => {
    const all = scene(seed, { workers: 3, connections: 6, bytes: 1 << 19, isInside: false })
    all.net.faults = LONG_LINK
    for (const host of [all.server, all.client]) disturb(all, 400, () => moveGroups(all.net, host, 0.3))
    expectDone(all)
    expect(all.server.slow['stack'].steering.groups().reduce((sum, count) => sum + count)).toBe(FLOW_GROUPS)
    expect(all.server.slowCount('rtoTimeouts') + all.client.slowCount('rtoTimeouts')).toBe(0)
  })

  it.each(SEEDS)('seed %i, a link that loses, repeats and reorders -> every byte once and in order', (seed) => {
    const all = scene(100 + seed, { workers: 2, connections: 6, bytes: 1 << 18, isInside: false })
    all.net.faults = BAD_LINK
    for (const host of [all.server, all.client]) disturb(all, 400, () => moveGroups(all.net, host, 0.3))
    expectDone(all)
  })

  it.each(SEEDS)('seed %i, connections that stay inside -> every byte once and in order', (seed) => {
    const all = scene(200 + seed, { workers: 3, connections: 6, bytes: 1 << 20, isInside: true })
    disturbSteps(all, 20)
    expectDone(all)
  })

  it.each(SEEDS)('seed %i, frames arrive at any worker, as from a TAP device -> every byte once and in order', (seed) => {
    const all = scene(300 + seed, { workers: 3, connections: 6, bytes: 1 << 18, isInside: false })
    all.net.faults = LONG_LINK
    all.server.missteer = () => all.net.random.below(3)
    disturb(all, 400, () => moveGroups(all.net, all.server, 0.3))
    expectDone(all)
  })

  it.each(SEEDS)('seed %i, the number of workers changes -> every byte once and in order', (seed) => {
    const all = scene(400 + seed, { workers: 4, connections: 8, bytes: 1 << 19, isInside: false })
    all.net.faults = LONG_LINK
    disturb(all, 400, () => all.server.slow.scale(1 + all.net.random.below(4), all.net.nowUs))
    expectDone(all)
  })
})

describe('workers die while groups move', () => {
  it.each(SEEDS)('seed %i, anywhere in a pass -> every byte once and in order', (seed) => {
    const all = scene(500 + seed, { workers: 3, connections: 6, bytes: 1 << 19, isInside: false })
    all.net.faults = { ...LONG_LINK, loss: 0.002 }
    disturb(all, 400, () => moveGroups(all.net, all.server, 0.5))
    disturb(all, 1_000, () => all.server.killWorkerAfter(all.net.random.below(6), all.net.random.below(2) === 1, all.net.random.below(3)))
    expectDone(all)
    expect(all.server.takeovers).toBeGreaterThan(3)
  })
})
