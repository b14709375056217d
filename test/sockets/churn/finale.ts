/** The end of a churn run: everything that is due comes, everything is closed, nothing is left. */
import {
  createEpollEvents, close, EPOLL_CTL_ADD, epoll_create1, epoll_ctl, epoll_wait, EPOLLET, EPOLLIN, fcntl, F_SETFL, O_NONBLOCK, setsockopt, SO_LINGER,
  SOL_SOCKET,
} from '../../../lib/sockets/index.js'
import { leftOf } from '../../sim/seeds/checks.js'
import { readStep, writeStep } from './bytes.js'
import type { Churn } from './churn.js'
import { closeFd } from './closing.js'
import { demand, type Sock } from './model.js'
import { acceptStep } from './opening.js'
import { takeHanded } from './steps.js'
import type { World } from './world.js'

const MINUTE_US = 60_000_000
/** Retransmissions and connections that find nobody are over by then. */
const DUE_US = 6 * MINUTE_US
const AFTERWARDS_US = 20 * MINUTE_US
const LOOKS = 30
const ROUNDS_MAX = 200
const LONG_MS = 600_000

/** Brings a run to its end. */
export function finish(churn: Churn): void {
  const { world, model } = churn
  churn.isOver = true
  world.mend()
  for (const one of churn.handed.splice(0)) takeHanded(churn, one)
  for (const sock of model.socks) makeNonBlocking(churn, sock)
  idle(world, DUE_US)
  drain(churn)
  for (const sock of [...model.socks]) if (sock.phase === 'open' && sock.side?.peer === null && !sock.side.isFinished) writeStep(churn, sock, false, 8)
  idle(world, DUE_US)
  drain(churn)
  for (const sock of model.socks) checkSettled(churn, sock)
  for (const sock of [...model.socks]) endByWord(churn, sock)
  closeAll(churn)
  idle(world, AFTERWARDS_US)
  checkNothingLeft(world)
}

/** Time passes while all threads look now and then: what one of them has not looked at holds up its connections. */
function idle(world: World, us: number): void {
  for (let look = 0; look < LOOKS; look++) {
    world.pass(us / LOOKS)
    for (const { stack } of world.threads) stack.poll()
  }
}

function makeNonBlocking(churn: Churn, sock: Sock): void {
  fcntl(churn.fdOf(sock), F_SETFL, O_NONBLOCK)
  sock.isNonBlocking = true
}

/** Accepts and reads until nothing more comes. */
function drain(churn: Churn): void {
  const { model, world } = churn
  for (let [round, quiet] = [0, 0]; quiet < 3; round++) {
    demand(round < ROUNDS_MAX, () => 'connections or bytes come without end')
    let deeds = 0
    for (const sock of [...model.socks]) {
      if (sock.phase === 'listening') deeds += acceptAll(churn, sock)
      else while (canRead(sock) && readStep(churn, sock, false).value > 0) deeds++
    }
    world.pass(MINUTE_US / 60)
    quiet = deeds === 0 ? quiet + 1 : 0
  }
}

function canRead({ phase, side }: Sock): boolean {
  return phase !== 'listening' && side !== null && !side.hasSeenEnd && !side.isReadShut && !side.hasFailed
}

function acceptAll(churn: Churn, listener: Sock): number {
  let count = 0
  for (let sock = acceptStep(churn, listener, false); sock !== null; sock = acceptStep(churn, listener, false)) {
    makeNonBlocking(churn, sock)
    count++
  }
  return count
}

/** What was to come has come. */
function checkSettled(churn: Churn, sock: Sock): void {
  const { world, model } = churn
  churn.observe(sock)
  demand(sock.phase !== 'connecting', () => `socket ${churn.fdOf(sock)} is still connecting`)
  const { side, target } = sock
  if (sock.phase !== 'open' || side === null || side.hasFailed) return
  const { peer } = side
  // A reset may be lost, and is heard of by who writes.
  if (peer !== null && peer.isFinished && !side.isReadShut && !side.canBeReset) {
    demand(side.hasSeenEnd, () => `side ${side.id}, ${[...sock.fds].join()}, has read ${side.read} of ${peer.written} bytes and not the end`)
  }
  if (peer !== null || target === null || side.written < 8 || model.hasMirror(side)) return
  const { open, changedUs } = model.port(target.host, target.port)
  demand(open === 0 || changedUs >= target.startUs, () => `side ${side.id} of thread ${sock.thread.name}, connected at ${world.nowUs}, is not accepted`)
}

/** Its peer writes and closes; it reads by what epoll tells, and nothing else. */
function endByWord(churn: Churn, sock: Sock): void {
  const { draw, model, world } = churn
  const { side } = sock
  if (!canRead(sock) || side === null || side.peer === null || side.peer.isClosed || !model.socks.has(sock)) return
  const other = [...model.socks].find((one) => one.side === side.peer)
  if (other === undefined || other === sock) return
  const { stack, owner } = sock.thread
  const epfd = epoll_create1(0, stack)
  const fd = churn.fdOf(sock)
  epoll_ctl(epfd, EPOLL_CTL_ADD, fd, { events: EPOLLIN | (draw.chance(0.6) ? EPOLLET : 0), data: fd })
  other.lingerS = Math.min(other.lingerS, 0)
  const end = (): void => endOther(churn, other)
  if (owner === other.thread.owner) end()
  else world.net.schedule(world.nowUs + draw.logInt(10, 1_000_000), () => { try { end() } catch (error) { churn.failure = error } })
  while (canRead(sock)) {
    const count = world.blocking(sock.thread, () => epoll_wait(epfd, createEpollEvents(1), 1, LONG_MS))
    demand(churn.failure === null && count === 1, () => `epoll_wait has not told that the peer of side ${side.id} has ended: ${String(churn.failure)}`)
    while (canRead(sock) && readStep(churn, sock, false).code === '');
  }
  close(epfd)
}

function endOther(churn: Churn, other: Sock): void {
  if (other.side?.isFinished === false) writeStep(churn, other, false)
  setLinger(churn, other)
  for (const fd of [...other.fds]) closeFd(churn, fd)
}

/** As it stands in the model. */
function setLinger(churn: Churn, sock: Sock): void {
  setsockopt(churn.fdOf(sock), SOL_SOCKET, SO_LINGER, { l_onoff: Number(sock.lingerS >= 0), l_linger: Math.max(0, sock.lingerS) })
}

function closeAll(churn: Churn): void {
  const { draw, model } = churn
  while (model.files.size > 0) closeFd(churn, draw.pick([...model.files.keys()]))
}

function checkNothingLeft(world: World): void {
  for (const { name, stack } of world.threads) {
    const left = { sockets: stack['sockets'].size, listening: stack['listening'].size, closing: stack['closing'].size }
    for (const [what, count] of Object.entries(left)) demand(count === 0, () => `thread ${name} has ${count} ${what} left`)
    for (const [what, table] of [['connections', stack.tas['connections']], ['listeners', stack.tas['listeners']]] as const) {
      let count = 0
      table.forEach(() => { count++ })
      demand(count === 0, () => `thread ${name} has ${count} ${what} of its Tas left`)
    }
  }
  for (const [index, host] of world.hosts.entries()) {
    const held = host.slowCount('bufferBytes')
    demand(held === 0, () => `host ${index} has ${held} bytes of buffers in use`)
    for (const app of host.slow.apps['byId']) if (app !== null) host.slow.apps.removeApp(app.id)
  }
  world.pass(AFTERWARDS_US)
  for (const [index, host] of world.hosts.entries()) demand(leftOf(host).length === 0, () => `host ${index}: ${leftOf(host).join(', ')}`)
}
