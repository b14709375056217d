/** Steps of a churn run that end something, and copies of descriptors: shutdown, close, SO_LINGER, dup, dup2, fcntl. */
import {
  close, dup, dup2, fcntl, F_DUPFD, F_SETFL, O_NONBLOCK, setsockopt, SHUT_RD, SHUT_RDWR, SHUT_WR, shutdown, SO_LINGER, SOL_SOCKET,
} from '../../../lib/sockets/index.js'
import { type Churn, endSide } from './churn.js'
import { demand, type File, Sock } from './model.js'

const US_PER_S = 1_000_000
/** What a limited SO_LINGER may take longer. */
const LINGER_SLACK_US = 1000

/** Whether closing a descriptor of `file` may wait. */
export function closeMayBlock(file: File): boolean {
  return file instanceof Sock && file.lingerS > 0
}

export function closeFd(churn: Churn, fd: number): void {
  const { model, world } = churn
  const file = model.files.get(fd)
  if (file === undefined) throw new Error(`${fd} is not open`)
  const run = (): void => { close(fd) }
  const limitUs = file instanceof Sock ? Math.max(0, file.lingerS * US_PER_S) + LINGER_SLACK_US : 0
  const willEnd = file.fds.size === 1
  // What happens while it waits is to see it closed.
  if (willEnd) ended(churn, file)
  model.closed(fd)
  const { code, tookUs } = churn.attempt('close', `${fd}${willEnd ? '' : ' (a copy)'}`, () => {
    if (closeMayBlock(file)) world.blocking(file.thread, run)
    else run()
  })
  demand(code === '' && tookUs <= limitUs, () => `close ${fd}: ${code} after ${tookUs} us`)
}

/** The last descriptor of `file` goes. */
function ended({ model, world }: Churn, file: File): void {
  if (!(file instanceof Sock)) return
  if (file.phase === 'listening') stopsListening(model, file, world.nowUs)
  endSide(file.side, file.lingerS === 0 || file.phase === 'connecting', world.nowUs)
}

function stopsListening(model: Churn['model'], sock: Sock, nowUs: number): void {
  const record = model.port(sock.thread.host, sock.boundPort)
  record.changedUs = record.usedUs = nowUs
  if (sock.origin === null) record.open--
}

export function shutdownStep(churn: Churn, sock: Sock): void {
  const { draw, model, world } = churn
  const how = draw.pick([SHUT_RD, SHUT_WR, SHUT_WR, SHUT_RDWR])
  const fd = churn.fdOf(sock)
  churn.observe(sock)
  const { code } = churn.attempt('shutdown', `${fd} ${how}`, () => { shutdown(fd, how) })
  const { phase, side } = sock
  if (phase === 'listening') {
    demand(code === '' || (code === 'ENOTCONN' && model.isOrphan(sock)), () => `shutdown of listener ${fd}: ${code}`)
    if (how === SHUT_WR) return
    stopsListening(model, sock, world.nowUs)
    sock.phase = 'idle'
    return
  }
  if (phase === 'idle' || phase === 'connecting') return demand(code === 'ENOTCONN', () => `shutdown ${fd}, ${phase}: ${code}`)
  if (side === null) throw new Error('an open socket has a side')
  if (code === 'ENOTCONN') return demand(side.hasFailed || side.canBeReset || side.isFinished, () => `shutdown ${fd}: ENOTCONN`)
  demand(code === '', () => `shutdown ${fd}: ${code}`)
  if (how !== SHUT_WR) side.isReadShut = true
  if (how !== SHUT_RD) side.finish(world.nowUs)
}

export function lingerStep(churn: Churn, sock: Sock): void {
  const fd = churn.fdOf(sock)
  sock.lingerS = churn.draw.pick([-1, 0, 1, 3])
  setsockopt(fd, SOL_SOCKET, SO_LINGER, { l_onoff: Number(sock.lingerS >= 0), l_linger: Math.max(0, sock.lingerS) })
}

export function blockingModeStep(churn: Churn, sock: Sock): void {
  sock.isNonBlocking = !sock.isNonBlocking
  fcntl(churn.fdOf(sock), F_SETFL, sock.isNonBlocking ? O_NONBLOCK : 0)
  churn.checkFlags(sock)
}

/** Another descriptor, also in place of one that is open. */
export function dupStep(churn: Churn, file: File): void {
  const { draw, model } = churn
  const fd = churn.fdOf(file)
  if (draw.chance(0.4)) {
    model.opened(churn.attempt('dup', `${fd}`, () => dup(fd)).value, file)
  } else if (draw.chance(0.3)) {
    const least = fd + draw.below(6)
    model.opened(churn.attempt('F_DUPFD', `${fd} ${least}`, () => fcntl(fd, F_DUPFD, least)).value, file, least)
  } else dup2Step(churn, file, fd)
}

function dup2Step(churn: Churn, file: File, fd: number): void {
  const { draw, model, world } = churn
  const target = draw.chance(0.5) ? fd + draw.below(6) : draw.pick([...model.files.keys()])
  const old = model.files.get(target)
  // What it stood for is not to be waited for here, nor another thread's.
  if (old !== undefined && (closeMayBlock(old) || old.thread.owner === world.blocked)) return
  const { code, value } = churn.attempt('dup2', `${fd} ${target}`, () => dup2(fd, target))
  demand(code === '' && value === target, () => `dup2 ${fd} ${target}: ${code} ${value}`)
  if (fd === target) return
  if (old !== undefined) {
    if (old !== file && old.fds.size === 1) ended(churn, old)
    if (old === file) file.fds.delete(target)
    else model.closed(target)
  }
  model.put(target, file)
}
