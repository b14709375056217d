/**
 * The path's MTU: told by routers (RFC 1191), or found out where they are silent (RFC 4821, RFC 8899).
 *
 *   told      fragmentation needed, verified (icmperrors.ts) -> that size. If data of the size in use may have come through
 *             before, only when what the error quotes is still not acknowledged at the next timeout (RFC 5927, 7.2).
 *   found     segments of full size time out again and again, sooner where shorter ones are seen to arrive beside them, and none of full
 *             size -> the next of STEPS, and so on down to the least MTU (RFC 4821, 7.7). Once that comes through, probes look for what is between.
 *   raised    ten minutes later larger packets are looked for: a path may have grown (RFC 1191, 6.3). By probes, whose loss costs nothing
 *             (mtuprobe.ts); to a peer without SACK with data, and the first timeout before any is acknowledged takes it back.
 *
 * What is known is kept for each destination, where new connections find it. Every packet has DF set, also at the least MTU:
 * below it (552 bytes, as Linux's min_pmtu; --ip-mtu-min) a path is not usable. Clearing DF there instead would give whoever guesses
 * right the power to make us fragment, with 16-bit identifications at full speed (RFC 4963), for links that are
 * hardly to be found.
 */
import { FLAG_SACK, TCB_ACKED_BYTES, TCB_SND_UNA, TO_FAST_FLOW_MSS } from '../../lib/memif/index.js'
import { formatIpv4Address, type QuotedSegment, seqAdd, seqDiff } from '../../lib/wire/index.js'
import { initialWindow } from './congestion/bounds.js'
import type { Connection } from './connection.js'
import { inFlight, mssOf } from './flowstate.js'
import { effectiveMss, HEADERS_BYTES, mssFor, pathMtuOf } from './mss.js'
import { isWaitingForData, MtuProbing, onProbeOrdered, stepProbing, stopProbe } from './mtuprobe.js'
import type { PathMtu } from './pathmtucache.js'
import { resendAll } from './recovery/recovery.js'
import { SACKED } from './recovery/scoreboard.js'
import type { Stack } from './stack.js'
import { Timer } from './timers.js'

/** MTUs of links that there are (RFC 1191, 7.1): for routers that tell none. */
const PLATEAUS: readonly number[] = [32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68]
/** MTUs to go down to where nobody tells any: RFC 8899's BASE_PLPMTU (5.1.2), IPv4's 576, about half of it and so on (RFC 4821, 7.7). */
const STEPS: readonly number[] = [1200, 576, 296, 148]
/** MTUs to go up to with data, to peers without SACK: Ethernet, tunnels over it, jumbo frames. */
const STEPS_UP: readonly number[] = [1200, 1400, 1500, 4352, 9000]

/** Timeouts of the same data after which its size is doubted: R1 (RFC 4821, 7.7; RFC 1122, 4.2.3.5), and where only shorter segments arrive. */
const TIMEOUTS_BEFORE_DOUBT = 3
const TIMEOUTS_BESIDE_SHORT = 2
/**
 * Time without an acknowledgment before that, microseconds. Where timeouts are as short as data centres have them (10 ms), three in a row are
 * over sooner than the congestion of an incast, and its flows would go on with small segments.
 */
const DOUBT_AFTER_US = 500_000
/** RFC 1191, 6.3; RFC 8899, 5.1.1, PMTU_RAISE_TIMER: when larger packets are looked for again; and those tried with data, once some came through. */
const AGE_US = 600_000_000
const RAISE_AGAIN_US = 60_000_000
/** First time until a look whether a guess was right; doubles. */
const CONFIRM_US = 1_000_000
/** How long new connections begin with a guess while its author looks for more: that one may end before, and nobody would look. */
const GUESS_AGE_US = 10_000_000
/** A router's message that nothing has confirmed for so long is void. */
const PENDING_US = 120_000_000

/** What a connection knows of its path, if that is not simply the interface's MTU. */
export interface PathState {
  /** Longest IP packet, bytes. */
  mtu: number
  /** The MTU that worked before this one was tried, 0 if this one works. */
  fallbackMtu: number
  isGuess: boolean
  /** The destination is known to have this MTU, for new connections too. */
  isShared: boolean
  /** When it came into use, and what TCB_ACKED_BYTES is once all that was sent before is acknowledged. */
  sinceUs: number
  ackedBefore: number
  waitUs: number
  /** Longer packets are looked for. */
  probing: MtuProbing | null
  readonly timer: Timer
}

/** A router's message that waits to be confirmed by a timeout. */
export interface PendingMtu {
  readonly mtu: number
  readonly seq: number
  readonly atUs: number
}

/** A connection becomes a flow: it begins with what is known of the destination. */
export function beginPath(stack: Stack, connection: Connection): void {
  const known = knownMtu(stack, connection)
  if (known === null || known.mtu >= stack.output.mtu) return
  const path = makePath(stack, connection, known.mtu, known.isGuess)
  path.isShared = true
  stack.timers.set(path.timer, known.untilUs)
}

/** What other connections know of the way to the peer. A source route is a way of its own. */
function knownMtu({ pathMtus, nowUs }: Stack, { remoteIp, sourceRoute }: Connection): PathMtu | null {
  return sourceRoute === null ? pathMtus.find(remoteIp, nowUs) : null
}

/** The flow is gone. */
export function endPath(stack: Stack, connection: Connection): void {
  endProbing(stack, connection)
  stack.timers.cancel(connection.path?.timer)
  connection.path = null
  connection.pendingMtu = null
}

function makePath(stack: Stack, connection: Connection, mtu: number, isGuess: boolean): PathState {
  const path = {
    mtu, fallbackMtu: 0, isGuess, isShared: false, sinceUs: stack.nowUs, ackedBefore: 0, waitUs: 0, probing: null,
    timer: new Timer(() => look(stack, connection)),
  }
  connection.path = path
  return path
}

/**
 * A router says that the segment which it quotes was too long for a link of `nextHopMtu` bytes (0: it does not say). The segment is
 * verified to be under way. Returns whether that can be true.
 */
export function onTooBig(stack: Stack, connection: Connection, quoted: QuotedSegment, nextHopMtu: number): boolean {
  const probing = connection.path?.probing ?? null
  if (probing !== null && isProbe(probing, quoted)) return onProbeTooBig(probing, nextHopMtu)
  const current = pathMtuOf(stack, connection)
  const told = nextHopMtu === 0 ? plateauBelow(Math.min(quoted.totalLen, current)) : nextHopMtu
  const mtu = Math.max(told, stack.config.tcp.minPathMtu)
  // RFC 1191, 3: never larger than before; and what fits was not too long.
  if (told === 0 || mtu >= current || mtu >= quoted.totalLen) return false
  // A peer that takes small segments only has none that were too long.
  if (mssFor(connection, mtu) >= mssOf(stack, connection)) return false
  if (mayHaveWorked(stack, connection)) connection.pendingMtu = { mtu, seq: quoted.seq, atUs: stack.nowUs }
  else {
    takeTold(stack, connection, mtu)
    resend(stack, connection)
  }
  return true
}

function isProbe({ state, start, mtu }: MtuProbing, { seq, totalLen }: QuotedSegment): boolean {
  return state === 'sent' && seq === start && totalLen === mtu
}

/** It is a probe that was too long: nothing becomes smaller, but the search has an end (RFC 8899, 4.6.1). */
function onProbeTooBig({ search, mtu }: MtuProbing, nextHopMtu: number): boolean {
  const told = nextHopMtu === 0 ? plateauBelow(mtu) : nextHopMtu
  if (told === 0 || told >= mtu) return false
  search.limit(told)
  return true
}

/** RFC 1191, 6.5: what is under way is lost and will not be acknowledged; no congestion, so ssthresh stays, but a slow start. */
function resend(stack: Stack, connection: Connection): void {
  connection.cwnd = Math.min(connection.cwnd, initialWindow(effectiveMss(stack, connection)))
  resendAll(stack, connection)
}

function plateauBelow(len: number): number {
  return PLATEAUS.find((plateau) => plateau < len) ?? 0
}

/**
 * Whether a segment of the size in use may have been acknowledged: then the path did carry it, and a message that says otherwise
 * is old or forged (RFC 5927, 7.2: maxsizeacked). So many acknowledged bytes may have been small segments, and not the reverse.
 */
function mayHaveWorked(stack: Stack, connection: Connection): boolean {
  const acked = stack.flows.word(connection, TCB_ACKED_BYTES)
  const mss = mssOf(stack, connection)
  // What was under way at a change does not count, so this may be negative; counts wrap, which the next look makes good.
  return connection.path === null ? acked >>> 0 >= mss : seqDiff(acked, connection.path.ackedBefore) >= mss
}

function takeTold(stack: Stack, connection: Connection, mtu: number): void {
  stack.stats.add('pathMtuTold')
  change(stack, connection, mtu, false)
  share(stack, connection)
}

/** The retransmission timer of data in flight has expired, for the `connection.backoff`th time in a row. */
export function onPathTimeout(stack: Stack, connection: Connection): void {
  const { path, pendingMtu } = connection
  connection.pendingMtu = null
  if (path !== null && path.probing !== null) stopProbe(stack, connection, path.probing)
  if (pendingMtu !== null && isConfirmed(stack, connection, pendingMtu)) return takeTold(stack, connection, pendingMtu.mtu)
  if (path !== null && path.fallbackMtu > 0 && !mayHaveWorked(stack, connection)) return fallBack(stack, connection, path)
  if (!isDoubtful(stack, connection, mssOf(stack, connection))) return
  const mtu = stepBelow(stack, connection)
  if (mtu === 0) return
  stack.stats.add('pathMtuGuessed')
  change(stack, connection, mtu, true)
}

function isConfirmed(stack: Stack, connection: Connection, { mtu, seq, atUs }: PendingMtu): boolean {
  const isUnacked = seqDiff(seq, stack.flows.word(connection, TCB_SND_UNA)) >= 0
  return isUnacked && stack.nowUs - atUs <= PENDING_US && mtu < pathMtuOf(stack, connection)
}

/**
 * Whether the segments' length may be the reason that nothing comes through. Where packets are lost at random it is not, however often the same one
 * is lost: others of full length arrive.
 */
function isDoubtful({ nowUs }: Stack, { backoff, unackedUs, recovery }: Connection, mss: number): boolean {
  const sacked = recovery === null ? [] : recovery.board.runs.filter(({ kind }) => kind === SACKED)
  if (sacked.some(({ start, end }) => seqDiff(end, start) >= mss)) return false
  if (sacked.length > 0) return backoff >= TIMEOUTS_BESIDE_SHORT
  return backoff >= TIMEOUTS_BEFORE_DOUBT && nowUs - unackedUs >= DOUBT_AFTER_US
}

/**
 * The next MTU to try below the one in use, 0 if there is none: one at which the segment that times out would be shorter, which may be
 * several steps down.
 */
function stepBelow(stack: Stack, connection: Connection): number {
  const current = Math.min(pathMtuOf(stack, connection), connection.peerMss + HEADERS_BYTES)
  const { minPathMtu } = stack.config.tcp
  const steps = [...STEPS.filter((mtu) => mtu > minPathMtu), minPathMtu]
  return steps.find((mtu) => mtu < current && wouldShrink(stack, connection, mtu)) ?? 0
}

/** Whether the segment that times out would be shorter with `mtu`. Otherwise its length is not what keeps it back. */
function wouldShrink(stack: Stack, connection: Connection, mtu: number): boolean {
  return Math.min(inFlight(stack, connection), mssOf(stack, connection)) > mssFor(connection, mtu)
}

/** What was tried does not come through: back to what did. */
function fallBack(stack: Stack, connection: Connection, path: PathState): void {
  change(stack, connection, path.fallbackMtu, path.isGuess)
  share(stack, connection)
}

/** From now on segments are those of `mtu`, also where they are sent again. */
function change(stack: Stack, connection: Connection, mtu: number, isGuess: boolean): void {
  endProbing(stack, connection)
  const path = connection.path ?? makePath(stack, connection, mtu, isGuess)
  path.mtu = mtu
  path.isGuess = isGuess
  path.fallbackMtu = 0
  path.isShared = false
  path.sinceUs = stack.nowUs
  path.ackedBefore = seqAdd(stack.flows.word(connection, TCB_ACKED_BYTES), inFlight(stack, connection))
  path.waitUs = CONFIRM_US
  stack.timers.set(path.timer, stack.nowUs + path.waitUs)
  orderMss(stack, connection, path)
}

function orderMss(stack: Stack, connection: Connection, { mtu, isGuess }: PathState): void {
  const mss = effectiveMss(stack, connection)
  stack.log.debug({ to: formatIpv4Address(connection.remoteIp), mtu, mss, isGuess }, 'path MTU')
  stack.workers[connection.worker].value(TO_FAST_FLOW_MSS, connection, mss, 0)
}

/** New connections to the destination begin with this MTU; larger ones are tried when it is old, after `ageUs`. */
function share(stack: Stack, connection: Connection, ageUs = AGE_US): void {
  const { path, remoteIp, sourceRoute } = connection
  if (path === null) return
  const untilUs = stack.nowUs + ageUs
  path.isShared = true
  if (sourceRoute === null) stack.pathMtus.set(remoteIp, { mtu: path.mtu, isGuess: path.isGuess, untilUs })
  stack.timers.set(path.timer, untilUs)
}

function look(stack: Stack, connection: Connection): void {
  const { path } = connection
  if (path === null || connection.phase !== 'worker') return
  if (path.probing !== null) return goOnProbing(stack, connection, path, path.probing)
  if (path.isShared) return raise(stack, connection, path)
  if (mayHaveWorked(stack, connection)) return settle(stack, connection, path)
  // Nothing of this size was acknowledged: a guess may just be a peer that is away, and then it says nothing of the path.
  const leftUs = path.sinceUs + AGE_US - stack.nowUs
  if (leftUs <= 0 && path.fallbackMtu === 0) return raise(stack, connection, path)
  path.waitUs = Math.min(path.waitUs * 2, AGE_US)
  stack.timers.set(path.timer, stack.nowUs + (leftUs > 0 ? Math.min(path.waitUs, leftUs) : path.waitUs))
}

/** Segments of this size come through. */
function settle(stack: Stack, connection: Connection, path: PathState): void {
  const wasRaised = path.fallbackMtu > 0
  path.fallbackMtu = 0
  if (isWhole(stack, connection, path)) return
  const isProbed = !wasRaised && canProbe(stack, connection)
  share(stack, connection, isProbed ? GUESS_AGE_US : AGE_US)
  if (wasRaised) stack.timers.set(path.timer, stack.nowUs + RAISE_AGAIN_US)
  else if (isProbed) beginProbing(stack, connection, path)
}

/** Whether the path carries all that the interface does: then nothing is kept of it. */
function isWhole(stack: Stack, connection: Connection, { mtu }: PathState): boolean {
  if (mtu < stack.output.mtu) return false
  if (connection.sourceRoute === null) stack.pathMtus.delete(connection.remoteIp)
  endPath(stack, connection)
  return true
}

/** It is time to look for larger packets. */
function raise(stack: Stack, connection: Connection, path: PathState): void {
  if (canProbe(stack, connection)) return raiseByProbes(stack, connection, path)
  // All the interface carries where a router will tell, otherwise the next step up.
  const full = stack.output.mtu
  raiseWithData(stack, connection, path, path.isGuess ? STEPS_UP.find((mtu) => mtu > path.mtu && mtu < full) ?? full : full)
}

/** Another connection to the destination may have looked meanwhile. */
function raiseByProbes(stack: Stack, connection: Connection, path: PathState): void {
  const known = knownMtu(stack, connection)
  if (known === null) beginProbing(stack, connection, path)
  else if (known.mtu > path.mtu) raiseWithData(stack, connection, path, known.mtu)
  else stack.timers.set(path.timer, known.untilUs)
}

function raiseWithData(stack: Stack, connection: Connection, path: PathState, mtu: number): void {
  const before = path.mtu
  if (mtu <= before) return endPath(stack, connection)
  stack.stats.add('pathMtuRaised')
  change(stack, connection, mtu, path.isGuess)
  path.fallbackMtu = before
}

// ---- probes ----

function canProbe({ flows }: Stack, connection: Connection): boolean {
  return flows.hasFlag(connection, FLAG_SACK)
}

function beginProbing(stack: Stack, connection: Connection, path: PathState): void {
  const mostMtu = Math.min(stack.output.mtu, connection.peerMss + HEADERS_BYTES)
  // The peer takes no longer segments: nothing depends on the path any more.
  if (mostMtu <= path.mtu) return endPath(stack, connection)
  path.probing = new MtuProbing(path.mtu, mostMtu)
  goOnProbing(stack, connection, path, path.probing)
}

function goOnProbing(stack: Stack, connection: Connection, path: PathState, probing: MtuProbing): void {
  const { search } = probing
  const waitUs = search.next() === 0 ? 0 : stepProbing(stack, connection, probing)
  if (search.found > path.mtu) {
    stack.stats.add('pathMtuRaised')
    path.mtu = search.found
    orderMss(stack, connection, path)
    if (isWhole(stack, connection, path)) return
    share(stack, connection, GUESS_AGE_US)
  }
  if (search.next() === 0) {
    endProbing(stack, connection)
    return share(stack, connection)
  }
  stack.timers.set(path.timer, stack.nowUs + waitUs)
}

/** The application or the window holds much back that could be sent: what a probe needs. */
export function onMuchToSend(stack: Stack, connection: Connection): void {
  const { path } = connection
  if (path === null || path.probing === null || !isWaitingForData(path.probing, stack.nowUs)) return
  goOnProbing(stack, connection, path, path.probing)
}

function endProbing(stack: Stack, connection: Connection): void {
  const { path } = connection
  if (path === null || path.probing === null) return
  stopProbe(stack, connection, path.probing)
  path.probing = null
}

/** A worker has answered an order to probe: see onProbeOrdered. */
export function onMtuProbe(stack: Stack, connection: Connection, seq: number, lenBytes: number): void {
  const { path } = connection
  if (path === null || path.probing === null) return
  const waitUs = onProbeOrdered(stack, connection, path.probing, seq, lenBytes)
  if (waitUs >= 0) stack.timers.set(path.timer, stack.nowUs + waitUs)
}
