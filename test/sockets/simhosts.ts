/** Two simulated hosts with programs on sockets, in one thread: a call that blocks lets the network go on. */
import { Stack } from '../../lib/sockets/stack.js'
import {
  accept, AF_INET, bind, close, connect, EPOLL_CTL_ADD, epoll_create1, epoll_ctl, epoll_wait, listen, SOCK_NONBLOCK, SOCK_STREAM, socket,
  createEpollEvents, type EpollEvent, type SocketError,
} from '../../lib/sockets/index.js'
import { SimHost, type HostOptions } from '../sim/host.js'
import { GOOD_LINK, SimNetwork } from '../sim/network.js'

export const SERVER_IP = '10.0.0.1'
export const CLIENT_IP = '10.0.0.2'
export const PORT = 80

/** No test waits longer, in virtual time. */
const LIMIT_US = 600_000_000

export interface World {
  readonly net: SimNetwork
  readonly server: Stack
  readonly client: Stack
  readonly serverHost: SimHost
  readonly clientHost: SimHost
}

export function makeWorld(options: Partial<HostOptions> = {}): World {
  const net = new SimNetwork(1, GOOD_LINK)
  const config = { appPollIntervalUs: 0 }
  const serverHost = new SimHost(net, { ip: 0x0a000001, config, ...options })
  const clientHost = new SimHost(net, { ip: 0x0a000002, config, ...options })
  return { net, serverHost, clientHost, server: makeStack(net, serverHost), client: makeStack(net, clientHost) }
}

/** A program on `host`. */
export function makeStack(net: SimNetwork, host: SimHost): Stack {
  const { tas } = host.connectApp('sockets', (isWoken, timeoutUs) => {
    const isDone = runFor(net, isWoken, timeoutUs < 0 ? LIMIT_US : timeoutUs)
    if (!isDone && timeoutUs < 0) throw new Error('the program blocks and nothing comes')
  })
  return new Stack(tas)
}

/** Two threads of a program on `host` that share its application. */
export function makeThreads(net: SimNetwork, host: SimHost): [Stack, Stack] {
  const { tases } = host.connectThreads('threads', 2, (isWoken, timeoutUs) => {
    const isDone = runFor(net, isWoken, timeoutUs < 0 ? LIMIT_US : timeoutUs)
    if (!isDone && timeoutUs < 0) throw new Error('the program blocks and nothing comes')
  })
  return [new Stack(tases[0]), new Stack(tases[1])]
}

/** A hundred times what the longest test has. Something goes on for ever then, and nobody would hear which seed it is. */
const MOMENTS_MAX = 1_000_000

/** Time passes also where nothing is to happen, and no more of it: the network by itself would go on to what comes next. */
export function runFor(net: SimNetwork, isDone: () => boolean, us: number): boolean {
  let [isWoken, isOver] = [false, false]
  net.schedule(net.nowUs + Math.ceil(us), () => { isOver = true })
  net.run(() => {
    if (net.progress.moments > MOMENTS_MAX) throw new Error(`the network does not come to rest before ${net.nowUs} us`)
    isWoken = isDone()
    return isWoken || isOver
  }, Math.ceil(us))
  return isWoken
}

/** Time passes. */
export function pass({ net }: World, us = 10_000): void {
  runFor(net, () => false, us)
}

/** A listening socket of the server. */
export function listening({ server }: World, type = SOCK_STREAM, backlog = 8): number {
  const fd = socket(AF_INET, type, 0, server)
  bind(fd, { address: '0.0.0.0', port: PORT })
  listen(fd, backlog)
  return fd
}

/** A connection: the client's descriptor and the server's. */
export function connected(world: World): { near: number; far: number; listener: number } {
  const listener = listening(world)
  const near = socket(AF_INET, SOCK_STREAM, 0, world.client)
  connect(near, { address: SERVER_IP, port: PORT })
  return { near, far: accept(listener), listener }
}

export function nonBlocking(stack: Stack): number {
  return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, stack)
}

/** The code of what `call` throws, '' if it does not. */
export function codeOf(call: () => unknown): string {
  try {
    call()
    return ''
  } catch (error) {
    return (error as SocketError).code
  }
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function text(buffer: Uint8Array, len: number): string {
  return new TextDecoder().decode(buffer.subarray(0, len))
}

/** An epoll set of `stack` in which `fds` are watched for `events`. */
export function watching(stack: Stack, events: number, ...fds: number[]): number {
  const epfd = epoll_create1(0, stack)
  for (const fd of fds) epoll_ctl(epfd, EPOLL_CTL_ADD, fd, { events, data: fd })
  return epfd
}

/** What a set tells, without waiting unless `timeoutMs` says so. */
export function told(epfd: number, timeoutMs = 0, max = 16): EpollEvent[] {
  const events = createEpollEvents(max)
  return events.slice(0, epoll_wait(epfd, events, max, timeoutMs))
}

export { close }
