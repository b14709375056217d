/**
 * The path's MTU: told by routers (RFC 1191), or found out where they are silent (RFC 4821, RFC 8899).
 *
 *   told      fragmentation needed, verified (icmperrors.ts) -> that size. If data of the size in use may have come through
 *             before, only when what the error quotes is still not acknowledged at the next timeout (RFC 5927, 7.2).
 *   found     segments of full size time out again and again -> the next of STEPS, and so on down to the least MTU.
 *   raised    ten minutes later larger packets are tried: a path may have grown (RFC 1191, 6.3). The first timeout before
 *             any of them is acknowledged takes it back.
 *
 * What is known is kept for each destination, where new connections find it. Every packet has DF set, also at the least MTU:
 * below it (552 bytes, as Linux's min_pmtu; --ip-mtu-min) a path is not usable. Clearing DF there instead would give whoever guesses
 * right the power to make us fragment, with 16-bit identifications at full speed (RFC 4963), for links that are
 * hardly to be found.
 */
import { TCB_ACKED_BYTES, TCB_MSS_U16, TCB_SND_UNA, TO_FAST_FLOW_MSS } from '../../lib/memif/index.js'
import { formatIpv4Address, type QuotedSegment, seqAdd, seqDiff } from '../../lib/wire/index.js'
import { initialWindow } from './congestion/bounds.js'
import type { Connection } from './connection.js'
import { effectiveMss, HEADERS_BYTES, mssFor, pathMtuOf } from './mss.js'
import { resendAll } from './recovery/recovery.js'
import type { Stack } from './stack.js'
import { Timer } from './timers.js'

/** MTUs of links that there are (RFC 1191, 7.1): for routers that tell none. */
const PLATEAUS: readonly number[] = [32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68]
/** MTUs to try where nobody tells any: jumbo frames, Ethernet, tunnels over it, RFC 8899's BASE_PLPMTU, Linux's tcp_base_mss with headers. */
const STEPS: readonly number[] = [9000, 4352, 1500, 1400, 1200, 1064, 576]

/** Timeouts of the same data after which its size is doubted (RFC 8899, 5.1.2: MAX_PROBES; Linux: tcp_retries1). */
const TIMEOUTS_BEFORE_DOUBT = 3
/** RFC 1191, 6.3: larger packets are tried ten minutes after they were found too large, and a minute after some came through. */
const AGE_US = 600_000_000
const RAISE_AGAIN_US = 60_000_000
/** First time until a look whether a guess was right; doubles. */
const CONFIRM_US = 1_000_000
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
  const known = stack.pathMtus.find(connection.remoteIp, stack.nowUs)
  if (known === null || known.mtu >= stack.output.mtu) return
  const path = makePath(stack, connection, known.mtu, known.isGuess)
  path.isShared = true
  stack.timers.set(path.timer, known.untilUs)
}

/** The flow is gone. */
export function endPath(stack: Stack, connection: Connection): void {
  if (connection.path !== null) stack.timers.cancel(connection.path.timer)
  connection.path = null
  connection.pendingMtu = null
}

function makePath(stack: Stack, connection: Connection, mtu: number, isGuess: boolean): PathState {
  const path = {
    mtu, fallbackMtu: 0, isGuess, isShared: false, sinceUs: stack.nowUs, ackedBefore: 0, waitUs: 0, timer: new Timer(() => look(stack, connection)),
  }
  connection.path = path
  return path
}

/**
 * A router says that the segment which it quotes was too long for a link of `nextHopMtu` bytes (0: it does not say). The segment is
 * verified to be under way. Returns whether that can be true.
 */
export function onTooBig(stack: Stack, connection: Connection, quoted: QuotedSegment, nextHopMtu: number): boolean {
  const current = pathMtuOf(stack, connection)
  const told = nextHopMtu === 0 ? plateauBelow(Math.min(quoted.totalLen, current)) : nextHopMtu
  const mtu = Math.max(told, stack.config.tcp.minPathMtu)
  // RFC 1191, 3: never larger than before; and what fits was not too long.
  if (told === 0 || mtu >= current || mtu >= quoted.totalLen) return false
  // A peer that takes small segments only has none that were too long.
  if (mssFor(connection, mtu) >= stack.flows.half(connection, TCB_MSS_U16)) return false
  if (mayHaveWorked(stack, connection)) connection.pendingMtu = { mtu, seq: quoted.seq, atUs: stack.nowUs }
  else {
    takeTold(stack, connection, mtu)
    resend(stack, connection)
  }
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
  const mss = stack.flows.half(connection, TCB_MSS_U16)
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
  if (pendingMtu !== null && isConfirmed(stack, connection, pendingMtu)) return takeTold(stack, connection, pendingMtu.mtu)
  if (path !== null && path.fallbackMtu > 0 && !mayHaveWorked(stack, connection)) return fallBack(stack, connection, path)
  if (connection.backoff < TIMEOUTS_BEFORE_DOUBT) return
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
function wouldShrink({ flows }: Stack, connection: Connection, mtu: number): boolean {
  const unacked = seqDiff(flows.sndMax(connection), flows.word(connection, TCB_SND_UNA))
  return Math.min(unacked, flows.half(connection, TCB_MSS_U16)) > mssFor(connection, mtu)
}

/** What was tried does not come through: back to what did. */
function fallBack(stack: Stack, connection: Connection, path: PathState): void {
  change(stack, connection, path.fallbackMtu, path.isGuess)
  share(stack, connection)
}

/** From now on segments are those of `mtu`, also where they are sent again. */
function change(stack: Stack, connection: Connection, mtu: number, isGuess: boolean): void {
  const path = connection.path ?? makePath(stack, connection, mtu, isGuess)
  path.mtu = mtu
  path.isGuess = isGuess
  path.fallbackMtu = 0
  path.isShared = false
  path.sinceUs = stack.nowUs
  const underWay = seqDiff(stack.flows.sndMax(connection), stack.flows.word(connection, TCB_SND_UNA))
  path.ackedBefore = seqAdd(stack.flows.word(connection, TCB_ACKED_BYTES), Math.max(underWay, 0))
  path.waitUs = CONFIRM_US
  stack.timers.set(path.timer, stack.nowUs + path.waitUs)
  const mss = effectiveMss(stack, connection)
  stack.log.debug({ to: formatIpv4Address(connection.remoteIp), mtu, mss, isGuess }, 'path MTU')
  stack.workers[connection.worker].value(TO_FAST_FLOW_MSS, connection.flow, connection.gen, mss, 0)
}

/** New connections to the destination begin with this MTU; larger ones are tried when it is old. */
function share(stack: Stack, connection: Connection): void {
  const { path, remoteIp } = connection
  if (path === null) return
  const untilUs = stack.nowUs + AGE_US
  path.isShared = true
  stack.pathMtus.set(remoteIp, { mtu: path.mtu, isGuess: path.isGuess, untilUs })
  stack.timers.set(path.timer, untilUs)
}

function look(stack: Stack, connection: Connection): void {
  const { path } = connection
  if (path === null || connection.phase !== 'worker') return
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
  if (path.mtu >= stack.output.mtu) {
    stack.pathMtus.delete(connection.remoteIp)
    return endPath(stack, connection)
  }
  share(stack, connection)
  if (wasRaised) stack.timers.set(path.timer, stack.nowUs + RAISE_AGAIN_US)
}

/** Tries larger packets: all the interface carries where a router will tell, otherwise the next step up. */
function raise(stack: Stack, connection: Connection, path: PathState): void {
  const before = path.mtu
  const full = stack.output.mtu
  const next = path.isGuess ? STEPS.findLast((mtu) => mtu > before && mtu < full) ?? full : full
  if (next <= before) return endPath(stack, connection)
  stack.stats.add('pathMtuRaised')
  change(stack, connection, next, path.isGuess)
  path.fallbackMtu = before
}
