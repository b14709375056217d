/** getsockopt, setsockopt, fcntl, dup, dup2, dup3. */
import { describe, expect, it } from 'vitest'
import {
  accept, AF_INET, close, connect, dup, dup2, dup3, F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_SETFD, F_SETFL, fcntl, FD_CLOEXEC, getsockopt,
  IP_OPTIONS, IP_TOS, IPPROTO_IP, IPPROTO_TCP, O_CLOEXEC, O_NONBLOCK, O_RDWR, recv, send, setsockopt, SO_ACCEPTCONN, SO_DOMAIN, SO_KEEPALIVE, SO_LINGER,
  SO_OOBINLINE, SO_PROTOCOL, SO_RCVBUF, SO_RCVTIMEO, SO_REUSEADDR, SO_REUSEPORT, SO_SNDBUF, SO_SNDTIMEO, SO_TYPE, SOCK_STREAM, socket, SOL_SOCKET,
  SOL_TCP, TCP_CONGESTION, TCP_INFO, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_MAXSEG, TCP_NODELAY, TCP_USER_TIMEOUT, type OptionInput,
} from '../../lib/sockets/index.js'
import type { ConnectionInfo } from '../../lib/tas/index.js'
import { routeOfOptions } from '../../lib/sockets/ipoptions.js'
import { askInfo } from '../../lib/sockets/tcpinfo.js'
import { socketOf } from '../../lib/sockets/lookup.js'
import { bytes, codeOf, connected, listening, makeWorld, pass, PORT, SERVER_IP } from './simhosts.js'

const VALUES: readonly [string, number, number, OptionInput][] = [
  ['SO_REUSEADDR', SOL_SOCKET, SO_REUSEADDR, 1], ['SO_REUSEPORT', SOL_SOCKET, SO_REUSEPORT, 1], ['SO_KEEPALIVE', SOL_SOCKET, SO_KEEPALIVE, 1],
  ['SO_RCVBUF', SOL_SOCKET, SO_RCVBUF, 10_000], ['SO_SNDBUF', SOL_SOCKET, SO_SNDBUF, 20_000],
  ['SO_LINGER', SOL_SOCKET, SO_LINGER, { l_onoff: 1, l_linger: 3 }],
  ['SO_RCVTIMEO', SOL_SOCKET, SO_RCVTIMEO, { tv_sec: 2, tv_usec: 5 }], ['SO_SNDTIMEO', SOL_SOCKET, SO_SNDTIMEO, { tv_sec: 9, tv_usec: 7 }],
  ['TCP_NODELAY', SOL_TCP, TCP_NODELAY, 0], ['TCP_KEEPIDLE', SOL_TCP, TCP_KEEPIDLE, 30], ['TCP_KEEPINTVL', SOL_TCP, TCP_KEEPINTVL, 5],
  ['TCP_KEEPCNT', SOL_TCP, TCP_KEEPCNT, 4], ['TCP_USER_TIMEOUT', SOL_TCP, TCP_USER_TIMEOUT, 9000],
  ['TCP_CONGESTION', SOL_TCP, TCP_CONGESTION, 'reno'],
  ['IP_TOS', IPPROTO_IP, IP_TOS, 0x20],
]

/** What TAS has in force for a socket. */
const WANTED: Partial<ConnectionInfo> = {
  noDelay: false, keepAlive: true, keepIdleMs: 30_000, userTimeoutMs: 9000, tos: 0x20, rxLimitBytes: 10_000, txLimitBytes: 20_000,
  congestionControl: 'reno',
}

function setAll(fd: number): void {
  for (const [, level, name, value] of VALUES) setsockopt(fd, level, name, value)
}

describe('getsockopt and setsockopt', () => {
  it.each(VALUES)('%s: set -> reads back, before and after connecting', (_name, level, name, value) => {
    const world = makeWorld()
    listening(world)
    const fd = socket(AF_INET, SOCK_STREAM, 0, world.client)
    setsockopt(fd, level, name, value)
    expect(getsockopt(fd, level, name)).toEqual(value)
    connect(fd, { address: SERVER_IP, port: PORT })
    expect(getsockopt(fd, level, name)).toEqual(value)
  })

  it('set before connect, while connected, or on the listener, before listen and after -> in force', () => {
    const world = makeWorld()
    const listener = listening(world)
    setAll(listener)
    const fd = socket(AF_INET, SOCK_STREAM, 0, world.client)
    setAll(fd)
    connect(fd, { address: SERVER_IP, port: PORT })
    expect(askInfo(socketOf(fd, ''), '')).toMatchObject(WANTED)
    const far = accept(listener)
    // The worker hears of an option a moment after the slow path, and what is in force is asked of both.
    world.server.poll()
    pass(world)
    expect(askInfo(socketOf(far, ''), '')).toMatchObject(WANTED)
    expect(getsockopt(far, SOL_TCP, TCP_KEEPIDLE)).toBe(30)
    const other = makeWorld()
    const { near } = connected(other)
    setAll(near)
    pass(other)
    expect(askInfo(socketOf(near, ''), '')).toMatchObject(WANTED)
  })

  it('constants and states -> SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_OOBINLINE, SO_ACCEPTCONN, TCP_MAXSEG', () => {
    const { near, listener } = connected(makeWorld())
    const read = (level: number, name: number) => getsockopt(near, level, name)
    expect([SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_OOBINLINE, SO_ACCEPTCONN].map((name) => read(SOL_SOCKET, name)))
      .toEqual([SOCK_STREAM, AF_INET, IPPROTO_TCP, 1, 0])
    expect(getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN)).toBe(1)
    expect(read(SOL_TCP, TCP_MAXSEG)).toBeGreaterThan(1000)
    expect(codeOf(() => setsockopt(near, SOL_SOCKET, SO_TYPE, 2))).toBe('EINVAL')
  })

  it('TCP_INFO -> counts of the connection; not connected -> ENOTCONN', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    send(near, bytes('count me'))
    recv(far, new Uint8Array(8))
    expect(getsockopt(far, SOL_TCP, TCP_INFO)).toMatchObject({ tcpi_state: 1, tcpi_bytes_received: 8 })
    expect(codeOf(() => getsockopt(socket(AF_INET, SOCK_STREAM, 0, world.client), SOL_TCP, TCP_INFO))).toBe('ENOTCONN')
  })

  it('TCP_CONGESTION: not set -> the one in force; one that TAS does not have -> ENOENT, the former stays', () => {
    const { near } = connected(makeWorld())
    const before = getsockopt(near, SOL_TCP, TCP_CONGESTION)
    expect(before).not.toBe('')
    expect(codeOf(() => setsockopt(near, SOL_TCP, TCP_CONGESTION, 'bbr'))).toBe('ENOENT')
    expect(codeOf(() => setsockopt(near, SOL_TCP, TCP_CONGESTION, 'module'))).toBe('ENOENT')
    expect(getsockopt(near, SOL_TCP, TCP_CONGESTION)).toBe(before)
  })

  it('IP_OPTIONS: source routes as Linux takes them -> hops for connect; NOPs or nothing -> none; anything else -> EINVAL', () => {
    const route = (kind: number): Uint8Array => Uint8Array.of(1, kind, 11, 4, 10, 0, 0, 9, 192, 168, 0, 1, 0)
    expect(routeOfOptions(route(131))).toEqual({ hops: ['10.0.0.9', '192.168.0.1'], strict: false })
    expect(routeOfOptions(route(137))).toEqual({ hops: ['10.0.0.9', '192.168.0.1'], strict: true })
    for (const none of [[], [1, 1], [0, 0, 0, 0]]) expect(routeOfOptions(Uint8Array.from(none))).toBeUndefined()
    const bad = [
      [7, 7, 4, 0, 0, 0, 0], [131], [131, 3, 4], [131, 7, 8, 10, 0, 0, 9], [131, 8, 4, 10, 0, 0, 9, 0], [131, 11, 4, 10, 0, 0, 9],
      [131, 7, 4, 10, 0, 0, 9, 137, 7, 4, 10, 0, 0, 9], Array.from({ length: 41 }, () => 1),
    ]
    for (const options of bad) expect(codeOf(() => routeOfOptions(Uint8Array.from(options))), options.join()).toBe('EINVAL')
  })

  it('IP_OPTIONS: set -> reads back, connect asks for that way; connected or listening -> EISCONN; accepted sockets have none', () => {
    const world = makeWorld()
    const listener = listening(world)
    const fd = socket(AF_INET, SOCK_STREAM, 0, world.client)
    const options = Uint8Array.of(131, 7, 4, 10, 0, 0, 9, 0)
    expect(getsockopt(fd, IPPROTO_IP, IP_OPTIONS)).toEqual(new Uint8Array(0))
    setsockopt(fd, IPPROTO_IP, IP_OPTIONS, options)
    expect(getsockopt(fd, IPPROTO_IP, IP_OPTIONS)).toEqual(options)
    // These services run without --ip-source-route.
    expect(codeOf(() => connect(fd, { address: SERVER_IP, port: PORT }))).toBe('EPERM')
    expect(codeOf(() => setsockopt(listener, IPPROTO_IP, IP_OPTIONS, options))).toBe('EISCONN')
    const { near, far } = connected(makeWorld())
    expect(codeOf(() => setsockopt(near, IPPROTO_IP, IP_OPTIONS, options))).toBe('EISCONN')
    expect(codeOf(() => setsockopt(near, IPPROTO_IP, IP_OPTIONS, 1))).toBe('EINVAL')
    expect(getsockopt(far, IPPROTO_IP, IP_OPTIONS)).toEqual(new Uint8Array(0))
  })

  it('SO_RCVBUF: out of range -> brought into it; not set -> what the connection has', () => {
    const { near } = connected(makeWorld({ bufLen: 8192 }))
    expect(getsockopt(near, SOL_SOCKET, SO_RCVBUF)).toBe(8192)
    setsockopt(near, SOL_SOCKET, SO_RCVBUF, 1)
    expect(getsockopt(near, SOL_SOCKET, SO_RCVBUF)).toBe(4096)
  })

  it('unknown, read-only, bad values -> ENOPROTOOPT, EINVAL, EDOM', () => {
    const { client } = makeWorld()
    const fd = socket(AF_INET, SOCK_STREAM, 0, client)
    expect(codeOf(() => getsockopt(fd, SOL_SOCKET, 999))).toBe('ENOPROTOOPT')
    expect(codeOf(() => getsockopt(fd, 41, 1))).toBe('ENOPROTOOPT')
    expect(codeOf(() => setsockopt(fd, SOL_TCP, TCP_INFO, 1))).toBe('ENOPROTOOPT')
    expect(codeOf(() => setsockopt(fd, SOL_TCP, TCP_NODELAY, 'yes'))).toBe('EINVAL')
    expect(codeOf(() => setsockopt(fd, SOL_TCP, TCP_KEEPIDLE, 0))).toBe('EINVAL')
    expect(codeOf(() => setsockopt(fd, SOL_SOCKET, SO_LINGER, 1))).toBe('EINVAL')
    expect(codeOf(() => setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, { tv_sec: 0, tv_usec: 1e6 }))).toBe('EDOM')
  })
})

describe('fcntl', () => {
  it('F_SETFL, F_GETFL -> O_NONBLOCK; F_SETFD, F_GETFD -> FD_CLOEXEC of the one descriptor; another command -> EINVAL', () => {
    const { client } = makeWorld()
    const fd = socket(AF_INET, SOCK_STREAM, 0, client)
    const copy = dup(fd)
    expect(fcntl(fd, F_GETFL)).toBe(O_RDWR)
    fcntl(fd, F_SETFL, O_NONBLOCK)
    expect(fcntl(copy, F_GETFL)).toBe(O_RDWR | O_NONBLOCK)
    fcntl(fd, F_SETFD, FD_CLOEXEC)
    expect([fcntl(fd, F_GETFD), fcntl(copy, F_GETFD)]).toEqual([FD_CLOEXEC, 0])
    expect(codeOf(() => fcntl(fd, 77))).toBe('EINVAL')
  })

  it('F_DUPFD, F_DUPFD_CLOEXEC -> the lowest free descriptor from the argument on', () => {
    const { client } = makeWorld()
    const fd = socket(AF_INET, SOCK_STREAM, 0, client)
    expect(fcntl(fd, F_DUPFD, fd + 5000)).toBe(fd + 5000)
    expect(fcntl(fd, F_DUPFD_CLOEXEC, fd + 5000)).toBe(fd + 5001)
    expect(fcntl(fd + 5001, F_GETFD)).toBe(FD_CLOEXEC)
    for (const each of [fd, fd + 5000, fd + 5001]) close(each)
  })
})

describe('dup, dup2, dup3', () => {
  it('dup -> the same connection; it lives until the last descriptor is closed', () => {
    const { near, far } = connected(makeWorld())
    const copy = dup(near)
    close(near)
    send(copy, bytes('x'))
    expect(recv(far, new Uint8Array(4))).toBe(1)
    close(copy)
    expect(recv(far, new Uint8Array(4))).toBe(0)
  })

  it('dup2 -> that number, closing what it stood for; the same number -> nothing', () => {
    const { near, far, listener } = connected(makeWorld())
    expect(dup2(near, near)).toBe(near)
    expect(dup2(near, listener)).toBe(listener)
    send(listener, bytes('x'))
    expect(recv(far, new Uint8Array(4))).toBe(1)
    expect(codeOf(() => accept(listener))).toBe('EINVAL')
    expect(codeOf(() => dup2(near, 5))).toBe('EBADF')
  })

  it('dup3 -> with O_CLOEXEC; the same number, other flags -> EINVAL', () => {
    const { near } = connected(makeWorld())
    expect(fcntl(dup3(near, near + 3000, O_CLOEXEC), F_GETFD)).toBe(FD_CLOEXEC)
    expect(codeOf(() => dup3(near, near, 0))).toBe('EINVAL')
    expect(codeOf(() => dup3(near, near + 3000, 1))).toBe('EINVAL')
  })
})
