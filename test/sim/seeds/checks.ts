/** What must hold at the end of a scenario. Each check returns what is wrong, in words. */
import type { SlowCounter } from '../../../lib/memif/index.js'
import type { SimHost } from '../host.js'
import { canLose, excusesOf } from './excuses.js'
import type { Side } from './side.js'
import type { Conversation, World, WorldHost } from './world.js'

const ECONNRESET = 104
const ECONNREFUSED = 111
const MINUTE_US = 60_000_000
const GAUGES: readonly SlowCounter[] = [
  'flowsSynSent', 'flowsSynReceived', 'flowsEstablished', 'flowsClosing', 'flowsTimeWait', 'bufferBytes', 'listeners', 'apps', 'contexts',
]

/** The servers' sides of a conversation that were opened. */
export function serversOf(world: World, { plan, serverName }: Conversation): Side[] {
  return world.program(plan.server, plan.serverApp).sides.filter(({ name, opened, closed }) => name === serverName && (opened || closed))
}

/**
 * Servers' sides without the ghosts among them: an old acknowledgment that brings a SYN cookie once more makes a connection out of nothing
 * (RFC 4987, 3.6), of which the real client knows nothing.
 */
function withoutGhosts(world: World, { plan }: Conversation, servers: readonly Side[]): Side[] {
  if (world.hosts[plan.server].host.slowCount('synCookiesReceived') === 0) return [...servers]
  const furthest = new Map<number, Side>()
  for (const side of servers) {
    const known = furthest.get(side.key)
    if (known === undefined || side.sent > known.sent || (side.sent === known.sent && side.received > known.received)) furthest.set(side.key, side)
  }
  return [...furthest.values()]
}

/** A side that must come to an end: its program lives, and no lost RST can have left it alone. */
function mustEnd(world: World, conversation: Conversation, side: Side): boolean {
  const { plan } = conversation
  const program = conversation.clients.includes(side) ? world.program(plan.client, plan.clientApp) : world.program(plan.server, plan.serverApp)
  if (program.isDead) return false
  return excusesOf(world, conversation).length === 0 || !canLose(world.scenario)
}

/** Whether everything that can be waited for has happened. */
export function isOver(world: World): boolean {
  return world.conversations.every((conversation) => {
    const { plan, clients } = conversation
    const isBegun = clients.length === plan.count || world.program(plan.client, plan.clientApp).isDead
    const sides = [...clients, ...serversOf(world, conversation)]
    const program = (side: Side): boolean => clients.includes(side) ? world.program(plan.client, plan.clientApp).isDead : world.program(plan.server, plan.serverApp).isDead
    return isBegun && sides.every((side) => side.closed || program(side))
  })
}

/** Bytes and ends of all connections. */
export function checkConversations(world: World): string[] {
  return world.conversations.flatMap((conversation) => checkConversation(world, conversation))
}

function checkConversation(world: World, conversation: Conversation): string[] {
  const { plan, clients } = conversation
  const servers = withoutGhosts(world, conversation, serversOf(world, conversation))
  const excuses = excusesOf(world, conversation)
  const wrong: string[] = []
  for (const side of [...clients, ...servers]) {
    if (side.fault !== '') wrong.push(`${side.name}: ${side.fault}`)
    if (!side.closed && mustEnd(world, conversation, side)) wrong.push(`${side.name} does not end (${describe(side)})`)
  }
  if (plan.kind === 'refused') return [...wrong, ...checkRefused(conversation, excuses)]
  for (const client of clients) {
    const server = plan.kind === 'self' ? client : servers.find(({ key }) => key === client.key)
    wrong.push(...checkPair(client, server, excuses, isTimeWaitShort(world, conversation)))
  }
  if (excuses.length === 0 && plan.kind !== 'self' && servers.length !== clients.length) wrong.push(`${clients.length} clients, ${servers.length} servers`)
  return wrong
}

function checkRefused({ clients, name }: Conversation, excuses: readonly string[]): string[] {
  if (excuses.length > 0) return []
  return clients.filter(({ status }) => status !== ECONNREFUSED).map(({ status }) => `${name}: status ${status} and not ECONNREFUSED`)
}

/** A TIME-WAIT shorter than a retransmission may answer the last FIN with a RST. */
function isTimeWaitShort({ scenario }: World, { plan }: Conversation): boolean {
  return [plan.client, plan.server].some((host) => (scenario.hosts[host].tcp.timeWaitUs ?? MINUTE_US) < MINUTE_US)
}

function checkPair(client: Side, server: Side | undefined, excuses: readonly string[], isTimeWaitShort: boolean): string[] {
  const wrong: string[] = []
  if (server !== undefined && client.received > server.sent) wrong.push(`${client.name} received ${client.received}, sent were ${server.sent}`)
  if (server !== undefined && server.received > client.sent) wrong.push(`${server.name} received ${server.received}, sent were ${client.sent}`)
  if (excuses.length > 0) return wrong
  if (server === undefined) return [...wrong, `${client.name} has no server (${describe(client)})`]
  for (const side of [client, server]) {
    const isGood = side.status === 0 || (side.status === ECONNRESET && isTimeWaitShort && canHaveClosed(side))
    if (!isGood) wrong.push(`${side.name} ended with ${side.status} (${describe(side)})`)
    if (side.received !== side.expected) wrong.push(`${side.name} received ${side.received} of ${side.expected}`)
    if (side.sent !== side.planned) wrong.push(`${side.name} sent ${side.sent} of ${side.planned}`)
  }
  return wrong
}

function canHaveClosed(side: Side): boolean {
  return side.sent === side.planned && side.received === side.expected
}

function describe(side: Side): string {
  return `${side.connection.state}, sent ${side.sent} of ${side.planned}, received ${side.received} of ${side.expected}, status ${side.status}`
}

/** All programs are gone and time has passed: nothing may be left. */
export function checkNothingLeft(world: World): string[] {
  return world.hosts.flatMap((one, index) => [...leftOf(one.host), ...countersOf(world, one)].map((what) => `host ${index}: ${what}`))
}

/** What a host still has, of which there should be nothing once its programs are gone. */
export function leftOf(host: SimHost): string[] {
  const { apps, timers, connections, flows, workers, listeners, loopback, state } = host.slow['stack']
  const wrong: string[] = []
  const expectZero = (what: string, value: number): void => {
    if (value !== 0) wrong.push(`${what}: ${value}`)
  }
  for (const gauge of GAUGES) expectZero(gauge, host.slowCount(gauge))
  expectZero('flows of the worker', host.fastCount('flows'))
  expectZero('ids of applications taken', apps['byId'].filter((app) => app !== null).length)
  expectZero('timers', timers.size)
  expectZero('connections', connections.size)
  expectZero('TIME-WAITs', connections.timeWaits.size)
  expectZero('TCBs not free', state.shape.flows - flows.available)
  expectZero('listeners', listeners['byPort'].size)
  expectZero('commands that wait', workers.filter(({ isBlocked }) => isBlocked).length)
  expectZero('frames inside', loopback.isEmpty ? 0 : 1)
  return wrong
}

function countersOf({ net }: World, { host }: WorldHost): string[] {
  const wrong: string[] = []
  const same = (what: string, a: number, b: number): void => {
    if (a !== b) wrong.push(`${what}: ${a} and ${b}`)
  }
  const link = net.counters(host)
  const gone = link.lost + link.lostBurst + link.droppedMtu + link.droppedQueue
  same('frames offered to the link, and what became of them', link.packets + link.duplicated, link.delivered + gone)
  same('connections begun and closed', host.slowCount('connectionsOpened') + host.slowCount('connectionsAccepted'), host.slowCount('connectionsClosed'))
  same('impossible bumps', host.fastCount('appBadBumps'), 0)
  same('impossible requests', host.slowCount('appBadRequests'), 0)
  // A worker that is killed takes along the count of what it was handling.
  if (host.takeovers === 0) same('frames that came, and were received', host.framesIn, host.fastCount('rxPackets'))
  return wrong
}
