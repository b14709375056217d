/** Steps of a churn run that move bytes, and what may come of them. */
import {
  MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, read, readv, recv, recvfrom, recvmsg, send, sendfile, sendmsg, sendto, SocketError, write, writev,
} from '../../../lib/sockets/index.js'
import type { Churn, Outcome } from './churn.js'
import { demand, type Side, type Sock } from './model.js'
import { HEAD_BYTES, senderOf, streamBytes } from './stream.js'

const BYTES_MAX = 40_000

/** `bytes` in pieces, some of them empty. */
function pieces({ draw }: Churn, bytes: Uint8Array): Uint8Array[] {
  const cuts = [0, ...Array.from({ length: draw.below(4) }, () => draw.below(bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end))
}

/** Whether a call on it that may have waited has waited as long as it should, or need not. */
function waited(sock: Sock, flags: number, timeoutUs: number, tookUs: number): boolean {
  return sock.isNonBlocking || (flags & MSG_DONTWAIT) !== 0 || tookUs >= timeoutUs
}

// ---- sending ----

/** Writes in one of all ways; without `mayBlock` only if that cannot wait. */
export function writeStep(churn: Churn, sock: Sock, mayBlock: boolean, lenBytes = churn.draw.logInt(1, BYTES_MAX)): Outcome | null {
  const { draw, world } = churn
  const { side } = sock
  if (side === null) return failedWrite(churn, sock)
  if (draw.chance(0.6)) churn.observe(sock)
  if (sock.side === null) return null
  const bytes = streamBytes(side.id, side.written, lenBytes)
  const flags = !mayBlock || draw.chance(0.3) ? MSG_DONTWAIT : 0
  const fd = churn.fdOf(sock)
  const [name, call] = sendingCall(churn, sock, fd, bytes, flags)
  side.writing = lenBytes
  const outcome = churn.attempt(name, `${fd} ${lenBytes}${flags === 0 ? '' : ' DONTWAIT'}`, () => world.blocking(sock.thread, call))
  side.writing = 0
  sock.writes++
  wrote(churn, sock, side, outcome, lenBytes, name.startsWith('send') && name !== 'sendfile' ? flags : 0)
  return outcome
}

function sendingCall(churn: Churn, { isNonBlocking }: Sock, fd: number, bytes: Uint8Array, flags: number): [string, () => number] {
  const calls: [string, () => number][] = [
    ['send', () => send(fd, bytes, flags)], ['sendto', () => sendto(fd, bytes, flags, null)],
    ['sendmsg', () => sendmsg(fd, { iov: pieces(churn, bytes) }, flags)],
  ]
  if (isNonBlocking || flags === 0) {
    calls.push(['write', () => write(fd, bytes)], ['writev', () => writev(fd, pieces(churn, bytes))], ['sendfile', () => {
      churn.file.fill(bytes)
      return sendfile(fd, churn.file.fd, 0, bytes.length)
    }])
  }
  return churn.draw.pick(calls)
}

function wrote(churn: Churn, sock: Sock, side: Side, { code, value, tookUs }: Outcome, lenBytes: number, flags: number): void {
  side.written += value
  if (value > 0) churn.observe(sock)
  const what = (): string => `sending ${lenBytes} bytes, flags ${flags}, ${sock.phase}: ${code === '' ? value : code} after ${tookUs} us; ${ends(side)}`
  if (code === '') {
    demand(sock.phase === 'open' && value > 0 && value <= lenBytes, what)
    demand(!side.isFinished, what)
    const mayBeShort = waited(sock, flags, sock.sendTimeoutUs, tookUs) || side.canBeReset || side.hasFailed
    return demand(value === lenBytes || mayBeShort, what)
  }
  if (code === 'EAGAIN') return demand(!side.isFinished && waited(sock, flags, sock.sendTimeoutUs, tookUs), what)
  failed(churn, sock, side, code, what)
  if (code === 'EPIPE') demand(side.isFinished || side.hasFailed || side.canBeReset, what)
}

/** For messages: how it stands with a connection. */
function ends({ id, written, read: got, isFinished, isReadShut, peer }: Side): string {
  const other = peer === null ? 'unknown' : `${peer.id}, wrote ${peer.written}, read ${peer.read}, finished ${peer.isFinished}, closed ${peer.isClosed}`
  return `side ${id} wrote ${written}, read ${got}, finished ${isFinished}, shut ${isReadShut}; peer ${other}`
}

/** An error of a call that moves bytes. */
function failed(churn: Churn, sock: Sock, side: Side, code: string, what: () => string): void {
  if (code === 'EPIPE') return
  if (code === 'ENOTCONN') {
    churn.observe(sock)
    return demand(sock.phase === 'idle', what)
  }
  if (sock.phase === 'connecting' && code !== 'ECONNRESET') return churn.connectFailed(sock, code)
  if (sock.phase === 'connecting') sock.phase = 'open'
  demand(code === 'ECONNRESET' && side.canBeReset, what)
  side.hasFailed = true
}

function failedWrite(churn: Churn, sock: Sock): null {
  const fd = churn.fdOf(sock)
  const { code } = churn.attempt('send', `${fd} 1`, () => send(fd, new Uint8Array(1), MSG_DONTWAIT))
  demand(code === 'ENOTCONN', () => `sending on ${fd}, ${sock.phase}: ${code}`)
  return null
}

// ---- receiving ----

/** Reads in one of all ways; without `mayBlock` only if that cannot wait. */
export function readStep(churn: Churn, sock: Sock, mayBlock: boolean): Outcome {
  const { draw, world } = churn
  if (draw.chance(0.6)) churn.observe(sock)
  const buffer = new Uint8Array(draw.logInt(1, BYTES_MAX))
  const flags = drawFlags(churn, mayBlock)
  const fd = churn.fdOf(sock)
  const [name, call] = receivingCall(churn, sock, fd, buffer, flags)
  const own = name === 'read' || name === 'readv' ? 0 : flags
  const outcome = churn.attempt(name, `${fd} ${buffer.length}${flagText(own)}`, () => world.blocking(sock.thread, call))
  gotBytes(churn, sock, outcome, buffer, own)
  return outcome
}

function drawFlags({ draw }: Churn, mayBlock: boolean): number {
  const wait = !mayBlock || draw.chance(0.3) ? MSG_DONTWAIT : 0
  return wait | (draw.chance(0.2) ? MSG_PEEK : 0) | (draw.chance(0.2) ? MSG_WAITALL : 0) | (draw.chance(0.05) ? MSG_TRUNC : 0)
}

function flagText(flags: number): string {
  const names = [[MSG_DONTWAIT, ' DONTWAIT'], [MSG_PEEK, ' PEEK'], [MSG_WAITALL, ' WAITALL'], [MSG_TRUNC, ' TRUNC']] as const
  return names.filter(([bit]) => (flags & bit) !== 0).map(([, text]) => text).join('')
}

function receivingCall(churn: Churn, { isNonBlocking }: Sock, fd: number, buffer: Uint8Array, flags: number): [string, () => number] {
  const calls: [string, () => number][] = [
    ['recv', () => recv(fd, buffer, flags)], ['recvfrom', () => recvfrom(fd, buffer, flags)],
    ['recvmsg', () => recvmsg(fd, { iov: pieces(churn, buffer) }, flags)],
  ]
  if (isNonBlocking || flags === 0) calls.push(['read', () => read(fd, buffer)], ['readv', () => readv(fd, pieces(churn, buffer))])
  return churn.draw.pick(calls)
}

/** Checks what a read of `sock` has come to. */
export function gotBytes(churn: Churn, sock: Sock, { code, value, tookUs }: Outcome, buffer: Uint8Array, flags: number): void {
  const { side } = sock
  const what = (): string => `receiving ${buffer.length} bytes, flags ${flags}, ${sock.phase}: ${code === '' ? value : code} after ${tookUs} us; ` +
    (side === null ? 'never connected' : ends(side))
  if (side === null) return demand(code === 'ENOTCONN', what)
  if (value > 0) churn.observe(sock)
  if (code === '' && value > 0) return received(churn, sock, side, buffer.subarray(0, value), flags, buffer.length, tookUs, what)
  if (code === '') return sawEnd(churn, sock, side, flags, what)
  if (code === 'EAGAIN') {
    demand(!side.hasSeenEnd && !side.isReadShut && !side.hasFailed, what)
    demand(waited(sock, flags, sock.receiveTimeoutUs, tookUs), what)
    return nothingThere(sock, what)
  }
  failed(churn, sock, side, code, what)
}

function received(
  { model, world }: Churn, sock: Sock, side: Side, bytes: Uint8Array, flags: number, lenBytes: number, tookUs: number, what: () => string,
): void {
  demand(sock.phase === 'open' && bytes.length <= lenBytes, what)
  const isPeek = (flags & MSG_PEEK) !== 0
  demand(!side.hasSeenEnd || side.isReadShut, () => `bytes behind the end: ${what()}`)
  if ((flags & MSG_TRUNC) === 0) learnPeer(model, side, bytes)
  const { peer } = side
  if (peer !== null) {
    demand(side.read + bytes.length <= peer.written + peer.writing, () => `more than was written: ${what()}`)
    const isRight = (flags & MSG_TRUNC) !== 0 || Buffer.compare(bytes, streamBytes(peer.id, side.read, bytes.length)) === 0
    demand(isRight, () => `other bytes than were written: ${what()}`)
  }
  if (!isPeek) {
    side.read += bytes.length
    side.readUs = world.nowUs
  }
  // What is only looked at is no more than fits the receive buffer.
  if ((flags & MSG_WAITALL) === 0 || isPeek || bytes.length === lenBytes) return
  const isEnd = side.isReadShut || side.hasFailed || side.canBeReset || peer?.isFinished !== false
  demand(isEnd || waited(sock, flags, sock.receiveTimeoutUs, tookUs), () => `MSG_WAITALL has not waited: ${what()}`)
}

/** The first bytes of a stream say whose it is. */
function learnPeer(model: Churn['model'], side: Side, bytes: Uint8Array): void {
  const { head } = side
  if (side.read !== head.length) return
  const seen = [...head, ...bytes.subarray(0, HEAD_BYTES - head.length)]
  if (seen.length < HEAD_BYTES || head.length === HEAD_BYTES) {
    if (head.length < HEAD_BYTES) side.head.push(...seen.slice(head.length))
    return
  }
  side.head.push(...seen.slice(head.length))
  const peer = model.sides[senderOf(Uint8Array.from(seen)) - 1]
  demand(peer !== undefined, () => `side ${side.id} got bytes that nobody has written: ${seen.join(' ')}`)
  demand((side.peer ?? peer) === peer && (peer.peer ?? side) === side, () => `side ${side.id} got bytes of side ${peer.id}, which belongs to another`)
  model.pair(side, peer)
}

function sawEnd(churn: Churn, sock: Sock, side: Side, flags: number, what: () => string): void {
  churn.observe(sock)
  demand(sock.phase === 'open', what)
  if (side.isReadShut || side.hasFailed) return
  const { peer } = side
  if ((flags & MSG_PEEK) === 0) side.hasSeenEnd = true
  if (peer === null) return
  demand(peer.isFinished, () => `an end that the peer has not made: ${what()}`)
  demand(side.read === peer.written, () => `an end before everything has come: ${what()}`)
}

/** Bytes that a look finds; -1 if there are none, or the connection has failed, which is told once and has been told then. */
export function peekQuietly({ fds, side }: Sock, buffer: Uint8Array): number {
  const [fd] = fds
  try {
    return recv(fd, buffer, MSG_DONTWAIT | MSG_PEEK)
  } catch (error) {
    if (!(error instanceof SocketError)) throw error
    if (side === null || error.code === 'EAGAIN') return -1
    demand(error.code === 'ECONNRESET' && side.canBeReset, () => `${fd} has failed with ${error.code}; ${ends(side)}`)
    side.hasFailed = true
    return -1
  }
}

/** A call has said that there is nothing, perhaps after waiting: then nothing may have come unnoticed. */
function nothingThere(sock: Sock, what: () => string): void {
  if (sock.phase !== 'open') return
  demand(peekQuietly(sock, new Uint8Array(1)) < 0, () => `something has come unnoticed: ${what()}`)
}
