/** What all steps of a churn run share: the world, the model, and how a call is tried. */
import { bind, fcntl, F_GETFL, getpeername, getsockname, getsockopt, O_NONBLOCK, SO_ERROR, SocketError, SOL_SOCKET } from '../../../lib/sockets/index.js'
import { codeOfStatus } from '../../../lib/tas/index.js'
import type { SocketAddress } from '../../../lib/sockets/index.js'
import { demand, Model, type Side, Sock, type Target } from './model.js'
import type { Handed } from './opening.js'
import { StreamFile } from './stream.js'
import { World } from './world.js'

/** What came of a call: its value, or the code of its error. */
export interface Outcome {
  readonly code: string
  readonly value: number
  readonly tookUs: number
}

const LOG_LINES = 60

export class Churn {
  readonly world: World
  readonly model = new Model()
  readonly file = new StreamFile()
  /** How often each call came to what. */
  readonly counts = new Map<string, number>()
  /** The last calls, for whoever has to find out why a seed fails. */
  readonly log: string[] = []
  /** What entries of epoll sets are given: no two the same. */
  nextData = 1
  /** Sockets on their way to another thread. */
  readonly handed: Handed[] = []
  /** Nothing that was put off is done any more. */
  isOver = false
  /** What went wrong inside another thread's call. */
  failure: unknown = null

  constructor(seed: number) {
    this.world = new World(seed)
  }

  get draw(): World['draw'] {
    return this.world.draw
  }

  /** Makes a call and takes down what came of it. Other errors than those of sockets are thrown on. */
  attempt(name: string, about: string, call: () => number | void): Outcome {
    const startUs = this.world.nowUs
    let [code, value] = ['', 0]
    try {
      value = call() ?? 0
    } catch (error) {
      if (!(error instanceof SocketError)) throw error
      code = error.code
    }
    const tookUs = this.world.nowUs - startUs
    this.say(`${startUs}${tookUs > 0 ? `+${tookUs}` : ''} ${name} ${about} -> ${code === '' ? value : code}`)
    const key = code === '' ? `${name}${value === 0 ? '' : ' > 0'}` : `${name} ${code}`
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1)
    return { code, value, tookUs }
  }

  say(line: string): void {
    this.log.push(line)
    if (this.log.length > LOG_LINES) this.log.shift()
  }

  /** A descriptor of `file`. */
  fdOf(file: { readonly fds: ReadonlySet<number> }): number {
    return this.draw.pick([...file.fds])
  }

  socks(which: (sock: Sock) => boolean): Sock[] {
    return [...this.model.socks].filter((sock) => sock.thread.owner !== this.world.blocked && which(sock))
  }

  /** Looks whether a socket that was connecting is connected by now, or has failed. */
  observe(sock: Sock): void {
    if (sock.phase !== 'connecting') return
    const fd = this.fdOf(sock)
    const errno = this.attempt('SO_ERROR', `${fd}`, () => getsockopt(fd, SOL_SOCKET, SO_ERROR) as number).value
    if (errno !== 0) this.connectFailed(sock, codeOfStatus(errno))
    else if (this.attempt('getpeername', `${fd}`, () => void getpeername(fd)).code === '') this.connected(sock)
  }

  /** A call has told that `sock` is connected. */
  connected(sock: Sock): void {
    const { target, side, thread } = sock
    if (target === null || side === null) throw new Error('it was not connecting')
    sock.phase = 'open'
    const fd = this.fdOf(sock)
    const [local, remote] = [addressOf(() => getsockname(fd)), addressOf(() => getpeername(fd))]
    // It may have ended already.
    if (local === '' || remote === '') return
    const wanted = `${this.world.address(target.host)}:${target.port}`
    demand(remote === wanted, () => `socket ${fd} is connected to ${remote}, not to ${wanted}`)
    const isSelf = local === remote
    const { open, changedUs } = this.model.port(target.host, target.port)
    const isMet = isSelf || open > 0 || changedUs >= target.startUs || target.host === thread.host
    demand(isMet, () => `socket ${fd} is connected to ${remote}, where nobody has listened`)
    this.model.addressed(side, local, remote)
  }

  /** A call has told why `sock` did not get connected, or that it was and has been reset. */
  connectFailed(sock: Sock, code: string): void {
    const { target, side } = sock
    if (target === null || side === null) throw new Error('it was not connecting')
    demand(mayFail(this, sock, target).includes(code), () => `connect to ${target.host}:${target.port} failed with ${code}`)
    side.hasFailed = true
    if (code === 'ECONNRESET') {
      sock.phase = 'open'
      return
    }
    side.isClosed = side.isAborted = true
    sock.phase = 'idle'
    sock.side = null
  }

  checkFlags(sock: Sock): void {
    const fd = this.fdOf(sock)
    const isNonBlocking = (fcntl(fd, F_GETFL) & O_NONBLOCK) !== 0
    demand(isNonBlocking === sock.isNonBlocking, () => `O_NONBLOCK of ${fd} is ${isNonBlocking}`)
  }

  /** Binds to `port`. Returns whether it could. */
  bind(sock: Sock, port: number): boolean {
    const fd = this.fdOf(sock)
    const record = this.model.port(sock.thread.host, port)
    const { code } = this.attempt('bind', `${fd} ${port}`, () => { bind(fd, { address: '0.0.0.0', port }) })
    demand(code === '' || (code === 'EADDRINUSE' && record.usedUs > -Infinity), () => `bind ${fd} to ${port}: ${code}`)
    if (code !== '') return false
    sock.boundPort = port
    record.usedUs = this.world.nowUs
    return true
  }
}

function mayFail({ model, world }: Churn, sock: Sock, { host, port, startUs }: Target): string[] {
  const unreachable = ['EHOSTUNREACH', 'ETIMEDOUT']
  const ofAddress = sock.boundPort === 0 ? [] : ['EADDRINUSE', 'EADDRNOTAVAIL']
  if (host < 0) return [...unreachable, ...ofAddress]
  const { open, changedUs } = model.port(host, port)
  // A full queue of accepts lets SYNs go unanswered.
  const isRefused = open === 0 || changedUs >= startUs ? ['ECONNREFUSED'] : []
  return [...isRefused, 'ECONNRESET', 'ETIMEDOUT', ...ofAddress, ...world.isLossy ? unreachable : []]
}

/** '' where there is none. */
export function addressOf(call: () => SocketAddress): string {
  try {
    const { address, port } = call()
    return `${address}:${port}`
  } catch (error) {
    if (error instanceof SocketError && error.code === 'ENOTCONN') return ''
    throw error
  }
}

/** The end of a side whose socket is closed. */
export function endSide(side: Side | null, isAborted: boolean, nowUs: number): void {
  if (side === null) return
  side.isClosed = true
  side.closedUs = nowUs
  if (isAborted) side.isAborted = true
  else side.finish(nowUs)
}
