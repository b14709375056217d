/** Makes a scenario out of a seed, wholly. Order and number of draws are part of what a seed means: append, do not insert. */
import type { ConnectOptions } from '../../../lib/tas/index.js'
import type { TcpConfig } from '../../../service/slow/config.js'
import { type DirectionOptions, NO_QUEUE_LIMIT } from '../../../tools/linkem/index.js'
import { Draw } from './draw.js'
import type { CongestionPlan, ConversationPlan, EndPlan, EventPlan, HostPlan, Scenario, StripPlan } from './plan.js'

const SECOND_US = 1_000_000
const FIRST_PORT = 1000
const FIRST_LOCAL_PORT = 20_000
/** Bytes of all connections together: what a seed costs. */
const BYTES_MAX = 600_000
const NO_STRIP: StripPlan = { sack: false, timestamps: false, windowScale: false, mss: false }

/** A host before its congestion control is drawn, which comes last. */
type Bare = Omit<HostPlan, 'congestion'>

export function makeScenario(seed: number): Scenario {
  const draw = new Draw(seed)
  const hosts = Array.from({ length: draw.pick([2, 2, 2, 3, 3, 4]) }, () => makeHost(draw))
  const conversations = makeConversations(draw, hosts)
  const events = Array.from({ length: draw.pick([0, 0, 1, 1, 2, 3, 5]) }, () => makeEvent(draw, hosts))
  const startUs = makeStart(draw)
  return { seed, startUs, hosts: hosts.map((host) => ({ ...host, congestion: makeCongestion(draw) })), conversations, events }
}

function makeCongestion(draw: Draw): CongestionPlan {
  return {
    algorithm: draw.pick(['dctcp-rate', 'dctcp-rate', 'dctcp-win', 'timely', 'const-rate', 'cubic', 'reno'] as const), asksEcn: draw.chance(0.5),
  }
}

/** Clocks of 32 bits wrap at 2^31 and 2^32, sequence numbers of ISNs follow the clock. */
function makeStart(draw: Draw): number {
  return draw.pick([1_000_000, 2 ** 31 - draw.logInt(1, 20 * SECOND_US), 2 ** 32 - draw.logInt(1, 20 * SECOND_US), 2 ** 40 + draw.below(2 ** 31)])
}

function makeHost(draw: Draw): Bare {
  const mtu = draw.pick([1500, 1500, 1500, 9000, 576, 1280, 296])
  return {
    mtu, tcp: makeTcp(draw), flows: 512, regionBytes: draw.pick([1 << 24, 1 << 26]),
    fastEntries: draw.power(1, 7), controlBytes: draw.power(8, 12), slowEntries: draw.power(3, 9),
    packetAreaBytes: draw.power(16, 18), clockUs: draw.sometimes(0.5, () => draw.below(2 ** 32), 0), apps: draw.pick([1, 1, 2]),
    link: makeLink(draw), strip: draw.sometimes(0.3, () => makeStrip(draw), NO_STRIP),
  }
}

function makeStrip(draw: Draw): StripPlan {
  return { sack: draw.chance(0.5), timestamps: draw.chance(0.5), windowScale: draw.chance(0.5), mss: draw.chance(0.2) }
}

function makeTcp(draw: Draw): Partial<TcpConfig> {
  const rxBufLen = draw.power(10, 17)
  const txBufLen = draw.power(10, 17)
  return {
    rxBufLen, txBufLen,
    rxBufMax: draw.sometimes(0.6, () => Math.min(rxBufLen * draw.power(1, 6), 1 << 20), 64),
    txBufMax: draw.sometimes(0.6, () => Math.min(txBufLen * draw.power(1, 6), 1 << 20), 64),
    ecn: draw.pick(['off', 'passive', 'on']),
    timeWaitUs: draw.pick([60 * SECOND_US, SECOND_US]),
    ttl: draw.pick([64, 64, 1, 255]),
  }
}

/** Loss is bounded so that no connection gives up by rights: sixteen losses in a row (R2 of RFC 9293, 3.8.3) are not to be expected. */
function makeLink(draw: Draw): Partial<DirectionOptions> {
  const delayUs = draw.logInt(10, 200_000)
  const rateKbps = draw.sometimes(0.8, () => draw.logInt(1_000, 1_000_000), 0)
  const isClean = draw.chance(0.3)
  const packets = draw.logInt(4, 500)
  const link: Partial<DirectionOptions> = {
    rateKbps, delayUs, jitterUs: draw.sometimes(0.3, () => draw.below(delayUs), 0),
    queue: { packets, bytes: Infinity },
    ecn: draw.sometimes(0.4, () => ({ packets: 1 + draw.below(packets), bytes: Infinity }), NO_QUEUE_LIMIT),
    mtu: draw.sometimes(0.15, () => draw.pick([1492, 1400, 1006, 552]), Infinity), icmp: draw.chance(0.7),
  }
  return isClean ? link : { ...link, ...makeFaults(draw) }
}

function makeFaults(draw: Draw): Partial<DirectionOptions> {
  return {
    loss: draw.sometimes(0.6, () => draw.log(0.0005, 0.1), 0),
    burstLoss: draw.sometimes(0.3, () => ({ p: draw.log(0.001, 0.03), r: draw.log(0.2, 0.9), lossBad: draw.pick([0.5, 0.9]), lossGood: 0 }), null),
    reorder: draw.sometimes(0.5, () => draw.log(0.001, 0.4), 0), reorderUs: draw.logInt(10, 50_000),
    duplicate: draw.sometimes(0.4, () => draw.log(0.001, 0.2), 0),
    corrupt: draw.sometimes(0.4, () => draw.log(0.0005, 0.03), 0),
  }
}

function makeConversations(draw: Draw, hosts: readonly Bare[]): ConversationPlan[] {
  const count = draw.pick([1, 1, 1, 2, 2, 3, 5])
  return Array.from({ length: count }, (_, i) => makeConversation(draw, hosts, i, count))
}

function makeConversation(draw: Draw, hosts: readonly Bare[], index: number, of: number): ConversationPlan {
  const kind = draw.pick(['normal', 'normal', 'normal', 'normal', 'normal', 'normal', 'refused', 'simultaneous', 'self'] as const)
  const client = draw.below(hosts.length)
  const other = (client + 1 + draw.below(hosts.length - 1)) % hosts.length
  const isInside = kind === 'self' || (kind !== 'simultaneous' && draw.chance(0.15))
  const server = isInside ? client : other
  const count = kind === 'normal' ? draw.pick([1, 1, 1, 1, 3, 10, 25]) : 1
  const [anyEnd, serverEnd] = makeEnds(draw, kind, slowestKbps(hosts), Math.floor(BYTES_MAX / of / count))
  const clientEnd = speaking(anyEnd)
  const port = FIRST_PORT + index
  const localPort = kind === 'self' ? port : kind === 'simultaneous' ? FIRST_LOCAL_PORT + index : 0
  return {
    kind, client, clientApp: draw.below(hosts[client].apps), server, serverApp: draw.below(hosts[server].apps), port, localPort,
    count, startUs: draw.sometimes(0.5, () => draw.logInt(1, 3 * SECOND_US), 0), gapUs: draw.sometimes(0.5, () => draw.logInt(1, 100_000), 0),
    backlog: draw.pick([1, 4, 32, 128]), clientEnd, serverEnd,
  }
}

/**
 * A client that waits in silence for its server is never answered if the ACK of a SYN cookie is lost: nobody would send again. So a
 * client that sends nothing says at least that.
 */
function speaking(end: EndPlan): EndPlan {
  return end.sendBytes === 0 && end.end === 'close' ? { ...end, end: 'halfClose' } : end
}

function slowestKbps(hosts: readonly Bare[]): number {
  return Math.min(...hosts.map(({ link }) => (link.rateKbps === 0 ? Infinity : link.rateKbps ?? Infinity)))
}

/** Both ends agree about rounds: what the one sends is what the other waits for. */
function makeEnds(draw: Draw, kind: ConversationPlan['kind'], kbps: number, bytesMax: number): [EndPlan, EndPlan] {
  const style = draw.pick(['up', 'down', 'both', 'rounds', 'nothing'] as const)
  // Ten seconds of the slowest link at most, so that slow links do not make long runs.
  const most = Math.max(2, Math.min(bytesMax, kbps * 1250))
  const size = (): number => draw.logInt(1, most)
  if (style === 'rounds') {
    const rounds = draw.logInt(1, 60)
    const round = (): number => draw.logInt(1, Math.max(1, most / rounds / 2))
    const [up, down] = [round(), round()]
    return [makeEnd(draw, up * rounds, up, kind), makeEnd(draw, down * rounds, down, kind)]
  }
  const up = style === 'up' || style === 'both' ? size() : 0
  const down = style === 'down' || style === 'both' ? size() : 0
  return [makeEnd(draw, up, 0, kind), makeEnd(draw, down, 0, kind)]
}

function makeEnd(draw: Draw, sendBytes: number, roundBytes: number, kind: ConversationPlan['kind']): EndPlan {
  const isSlowReader = draw.chance(0.2)
  const isSlowWriter = draw.chance(0.2)
  const isPausing = draw.chance(0.1)
  const end = draw.pick(['halfClose', 'halfClose', 'halfClose', 'close', 'close', 'abort'] as const)
  const pieces = 200
  return {
    sendBytes, roundBytes,
    writeBytes: isSlowWriter ? Math.max(1, Math.ceil(sendBytes / draw.logInt(1, pieces))) : 1 << 16,
    thinkUs: isSlowWriter ? draw.logInt(1, 20_000) : 0,
    readBytes: isSlowReader ? draw.pick([1, 100, 1000, 5000]) : Infinity,
    readUs: isSlowReader ? draw.logInt(1, 20_000) : 0,
    pauseAt: isPausing ? draw.logInt(1, 200_000) : -1, pauseUs: isPausing ? draw.logInt(1000, 15 * SECOND_US) : 0,
    end: kind === 'self' && end === 'abort' ? 'close' : end, abortAt: end === 'abort' ? draw.logInt(1, 100_000) : -1,
    isLinger0: draw.chance(0.3), options: makeOptions(draw),
  }
}

function makeOptions(draw: Draw): ConnectOptions {
  return {
    ...draw.maybe(0.3, () => ({ noDelay: false })),
    ...draw.maybe(0.2, () => ({ keepAlive: { idleMs: draw.logInt(1000, 60_000), intervalMs: draw.logInt(1000, 20_000), count: 1 + draw.below(9) } })),
    ...draw.maybe(0.1, () => ({ userTimeoutMs: draw.logInt(500, 120_000) })),
    ...draw.maybe(0.1, () => ({ tos: draw.below(256) })),
    ...draw.maybe(0.1, () => ({ rxLimitBytes: draw.power(12, 18) })),
    ...draw.maybe(0.1, () => ({ txLimitBytes: draw.power(12, 18) })),
  }
}

function makeEvent(draw: Draw, hosts: readonly Bare[]): EventPlan {
  const host = draw.below(hosts.length)
  const app = draw.below(hosts[host].apps)
  const steps = draw.logInt(1, 20_000)
  const atUs = draw.logInt(10, 20 * SECOND_US)
  const forUs = draw.logInt(100, 15 * SECOND_US)
  switch (draw.below(12)) {
    case 0: case 1: return { kind: 'killWorker', host, steps }
    case 2: case 3: case 4: return { kind: 'killWorkerInPass', host, steps, calls: draw.below(20), isAfter: draw.chance(0.5) }
    case 5: return { kind: 'killApp', host, app, steps }
    case 6: return { kind: 'hangApp', host, app, steps, forUs }
    case 7: return { kind: 'freeze', host, atUs, forUs: forUs / 10 }
    case 8: return { kind: 'linkDown', host, atUs, forUs }
    case 9: return { kind: 'newMac', host, atUs, isTold: draw.chance(0.5) }
    case 10: return { kind: 'mtu', host, atUs, mtu: draw.pick([1500, 1400, 1006, 552, 9000]) }
    default: return { kind: 'clockJump', host, atUs, byUs: draw.logInt(1000, 100 * SECOND_US) }
  }
}
