/** epoll_create, epoll_create1, epoll_ctl, epoll_wait, epoll_pwait, poll, ppoll, select, pselect over sockets. */
import { describe, expect, it } from 'vitest'
import {
  accept, AF_INET, close, connect, connectionOf, dup, dup2, createEpollEvents, EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, epoll_create,
  epoll_create1, epoll_ctl, epoll_pwait, epoll_wait, EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLLRDHUP,
  fcntl, F_GETFD, F_SETFL, FD_CLOEXEC, init, move_conn, O_NONBLOCK, poll, POLLHUP, POLLIN, POLLNVAL, POLLOUT, ppoll, pselect, recv, select, send, setsockopt,
  shutdown, SHUT_WR, SO_LINGER, SOCK_STREAM, socket, SOL_SOCKET, Stack, write, type PollFd,
} from '../../lib/sockets/index.js'
import { descriptors } from '../../lib/sockets/descriptors.js'
import { bytes, codeOf, connected, listening, makeWorld, pass, PORT, SERVER_IP, told, watching, type World } from './simhosts.js'

const buffer = new Uint8Array(1 << 20)

/** Fills the connection from `fd` on until a write would wait. */
function fill(world: World, fd: number): void {
  fcntl(fd, F_SETFL, O_NONBLOCK)
  while (codeOf(() => write(fd, buffer)) === '') pass(world)
}

describe('epoll_create and epoll_create1', () => {
  it('size of 0, unknown flags -> EINVAL; EPOLL_CLOEXEC -> set', () => {
    const { client } = makeWorld()
    init({ tas: client.tas })
    expect(codeOf(() => epoll_create(0))).toBe('EINVAL')
    close(epoll_create(1))
    expect(codeOf(() => epoll_create1(1, client))).toBe('EINVAL')
    expect(fcntl(epoll_create1(EPOLL_CLOEXEC, client), F_GETFD)).toBe(FD_CLOEXEC)
  })
})

describe('epoll_ctl', () => {
  it('twice, not there, itself, no set, bad operation -> EEXIST, ENOENT, EINVAL', () => {
    const world = makeWorld()
    const { near } = connected(world)
    const epfd = watching(world.client, EPOLLIN, near)
    const event = { events: EPOLLIN, data: 1 }
    expect(codeOf(() => epoll_ctl(epfd, EPOLL_CTL_ADD, near, event))).toBe('EEXIST')
    epoll_ctl(epfd, EPOLL_CTL_DEL, near, null)
    expect(codeOf(() => epoll_ctl(epfd, EPOLL_CTL_DEL, near, null))).toBe('ENOENT')
    expect(codeOf(() => epoll_ctl(epfd, EPOLL_CTL_MOD, near, event))).toBe('ENOENT')
    expect(codeOf(() => epoll_ctl(epfd, EPOLL_CTL_ADD, epfd, event))).toBe('EINVAL')
    expect(codeOf(() => epoll_ctl(epfd, EPOLL_CTL_ADD, dup(epfd), event))).toBe('EINVAL')
    expect(codeOf(() => epoll_ctl(near, EPOLL_CTL_ADD, epfd, event))).toBe('EINVAL')
    expect(codeOf(() => epoll_ctl(epfd, 9, near, event))).toBe('EINVAL')
    expect(codeOf(() => epoll_ctl(epfd, EPOLL_CTL_ADD, epfd + 1000, event))).toBe('EBADF')
  })

  it('a socket of another stack -> EINVAL', () => {
    const world = makeWorld()
    const { far } = connected(world)
    expect(codeOf(() => watching(world.client, EPOLLIN, far))).toBe('EINVAL')
  })

  it('closed by its last descriptor -> out of the set; by another one -> still in it', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const epfd = watching(world.client, EPOLLIN, near)
    const copy = dup(near)
    close(near)
    send(far, bytes('x'))
    expect(told(epfd, 1000)).toEqual([{ events: EPOLLIN, data: near }])
    close(copy)
    expect(told(epfd, 1000)).toEqual([])
  })

  it('a number that stands for another file by now, the former one lives by a copy -> an entry of each, both gone with the set', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const epfd = watching(world.client, EPOLLIN, near)
    const copy = dup(near)
    close(near)
    const other = socket(AF_INET, SOCK_STREAM, 0, world.client)
    expect(other).toBe(near)
    epoll_ctl(epfd, EPOLL_CTL_ADD, other, { events: EPOLLIN, data: 7 })
    send(far, bytes('x'))
    pass(world)
    expect(told(epfd, 1000).map(({ data }) => data).sort()).toEqual([7, near].sort())
    expect(told(epfd, 1000)).toHaveLength(2)
    epoll_ctl(epfd, EPOLL_CTL_DEL, other, null)
    dup2(copy, other)
    expect(codeOf(() => epoll_ctl(epfd, EPOLL_CTL_ADD, other, { events: EPOLLIN, data: 8 }))).toBe('EEXIST')
    close(epfd)
    move_conn(other, new Stack(world.client.tas))
  })

  it('a set in a set by two numbers, one taken out -> still in it: told, and no circle', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const inner = watching(world.client, EPOLLIN, near)
    const outer = watching(world.client, EPOLLIN, inner, dup(inner))
    epoll_ctl(outer, EPOLL_CTL_DEL, inner, null)
    expect(codeOf(() => epoll_ctl(inner, EPOLL_CTL_ADD, outer, { events: EPOLLIN, data: 0 }))).toBe('ELOOP')
    send(far, bytes('x'))
    expect(told(outer, -1)).toHaveLength(1)
  })
})

describe('epoll_wait', () => {
  it('level-triggered -> again until it is read', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const epfd = watching(world.client, EPOLLIN, near)
    expect(told(epfd)).toEqual([])
    send(far, bytes('data'))
    expect(told(epfd, -1)).toEqual([{ events: EPOLLIN, data: near }])
    expect(told(epfd)).toHaveLength(1)
    recv(near, buffer)
    expect(told(epfd)).toEqual([])
  })

  it('edge-triggered -> once for each arrival, read or not', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const epfd = watching(world.client, EPOLLIN | EPOLLET, near)
    send(far, bytes('one'))
    expect(told(epfd, -1)).toHaveLength(1)
    expect(told(epfd)).toEqual([])
    send(far, bytes('two'))
    expect(told(epfd, -1)).toHaveLength(1)
    expect(told(epfd)).toEqual([])
  })

  it('EPOLLONESHOT -> once, until EPOLL_CTL_MOD', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const epfd = watching(world.client, EPOLLIN | EPOLLONESHOT, near)
    send(far, bytes('one'))
    expect(told(epfd, -1)).toHaveLength(1)
    send(far, bytes('two'))
    expect(told(epfd, 100)).toEqual([])
    epoll_ctl(epfd, EPOLL_CTL_MOD, near, { events: EPOLLIN | EPOLLONESHOT, data: 5 })
    expect(told(epfd)).toEqual([{ events: EPOLLIN, data: 5 }])
  })

  it('EPOLLEXCLUSIVE -> the set that is waited for hears of it; with others than it allows -> EINVAL', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const sets = [0, 1].map(() => watching(world.client, EPOLLIN | EPOLLEXCLUSIVE, near))
    send(far, bytes('x'))
    expect(told(sets[0], -1)).toHaveLength(1)
    // The first set took the news; the second was not waited for and heard nothing.
    expect(told(sets[1])).toEqual([])
    send(far, bytes('y'))
    expect(told(sets[1], -1)).toHaveLength(1)
    expect(codeOf(() => epoll_ctl(sets[0], EPOLL_CTL_MOD, near, { events: EPOLLIN, data: 0 }))).toBe('EINVAL')
    expect(codeOf(() => watching(world.client, EPOLLIN | EPOLLONESHOT | EPOLLEXCLUSIVE, near))).toBe('EINVAL')
  })

  it('EPOLLOUT -> while there is room; cleared when the buffer is full, back when there is room', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const epfd = watching(world.client, EPOLLOUT, near)
    expect(told(epfd)).toEqual([{ events: EPOLLOUT, data: near }])
    fill(world, near)
    expect(told(epfd)).toEqual([])
    fcntl(far, F_SETFL, O_NONBLOCK)
    for (let i = 0; i < 100; i++) {
      if (codeOf(() => recv(far, buffer)) !== '') pass(world, 1000)
      if (i % 10 === 9 && told(epfd).length > 0) return
    }
    throw new Error('EPOLLOUT does not come back')
  })

  it('EPOLLOUT: filled to the last byte by a write that fitted -> cleared, and it comes back', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const epfd = watching(world.client, EPOLLOUT, near)
    world.net.end(world.serverHost).isDown = true
    fcntl(near, F_SETFL, O_NONBLOCK)
    const room = connectionOf(near).txFree
    expect(write(near, buffer.subarray(0, room))).toBe(room)
    expect(told(epfd)).toEqual([])
    world.net.end(world.serverHost).isDown = false
    world.net.schedule(world.net.nowUs + 1000, () => { fcntl(far, F_SETFL, O_NONBLOCK) })
    expect(told(epfd, 60_000)).toEqual([{ events: EPOLLOUT, data: near }])
  })

  it('EPOLLOUT: after a write that came short, less room than is waited for, and a write that fits in it -> told, as by poll', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const epfd = watching(world.client, EPOLLOUT, near)
    const fds = [{ fd: near, events: POLLOUT, revents: 0 }]
    // One segment in 12 milliseconds.
    world.net.setLink(world.clientHost, { rateKbps: 1000 })
    fcntl(near, F_SETFL, O_NONBLOCK)
    write(near, buffer)
    while (connectionOf(near).txFree < 10) {
      expect([told(epfd), poll(fds, 0)]).toEqual([[], 0])
      // With what comes a program hears of the little room that it was not waiting for.
      send(far, bytes('x'))
      pass(world)
      world.client.poll()
    }
    expect([told(epfd), poll(fds, 0)]).toEqual([[], 0])
    expect(write(near, buffer.subarray(0, 10))).toBe(10)
    expect([told(epfd), poll(fds, 0)]).toEqual([[{ events: EPOLLOUT, data: near }], 1])
  })

  it('EPOLLRDHUP, EPOLLHUP, EPOLLERR -> half closed; both closed; reset', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const epfd = watching(world.client, EPOLLIN | EPOLLRDHUP, near)
    shutdown(far, SHUT_WR)
    expect(told(epfd, -1)).toEqual([{ events: EPOLLIN | EPOLLRDHUP, data: near }])
    shutdown(near, SHUT_WR)
    expect(told(epfd)).toEqual([{ events: EPOLLIN | EPOLLRDHUP | EPOLLHUP, data: near }])

    const other = makeWorld()
    const pair = connected(other)
    const set = watching(other.client, 0, pair.near)
    setsockopt(pair.far, SOL_SOCKET, SO_LINGER, { l_onoff: 1, l_linger: 0 })
    close(pair.far)
    expect(told(set, -1)).toEqual([{ events: EPOLLERR | EPOLLHUP, data: pair.near }])
  })

  it('a listening socket -> EPOLLIN while connections wait', () => {
    const world = makeWorld()
    const listener = listening(world)
    const epfd = watching(world.server, EPOLLIN, listener)
    connect(socket(AF_INET, SOCK_STREAM, 0, world.client), { address: SERVER_IP, port: PORT })
    expect(told(epfd, -1)).toEqual([{ events: EPOLLIN, data: listener }])
    accept(listener)
    expect(told(epfd)).toEqual([])
  })

  it('a set within a set -> told through it; in a circle, or too deep -> ELOOP', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const inner = watching(world.client, EPOLLIN, near)
    const outer = watching(world.client, EPOLLIN, inner)
    expect(told(outer)).toEqual([])
    send(far, bytes('x'))
    expect(told(outer, -1)).toEqual([{ events: EPOLLIN, data: inner }])
    recv(near, buffer)
    expect(told(outer)).toEqual([])
    expect(codeOf(() => epoll_ctl(inner, EPOLL_CTL_ADD, outer, { events: EPOLLIN, data: 0 }))).toBe('ELOOP')
    let set = outer
    for (let i = 0; i < 3; i++) set = watching(world.client, EPOLLIN, set)
    expect(codeOf(() => watching(world.client, EPOLLIN, set))).toBe('ELOOP')
  })

  it('time-out -> none after that time; too few event objects, none -> EINVAL', () => {
    const world = makeWorld()
    const epfd = epoll_create1(0, world.client)
    const before = world.net.nowUs
    expect(told(epfd, 250)).toEqual([])
    expect(world.net.nowUs - before).toBeGreaterThanOrEqual(250_000)
    expect(codeOf(() => epoll_wait(epfd, createEpollEvents(1), 2))).toBe('EINVAL')
    expect(codeOf(() => epoll_wait(epfd, [], 0))).toBe('EINVAL')
  })

  it('more ready than events asked for -> all in turn', () => {
    const world = makeWorld()
    const listener = listening(world)
    const fds = Array.from({ length: 5 }, () => {
      const fd = socket(AF_INET, SOCK_STREAM, 0, world.client)
      connect(fd, { address: SERVER_IP, port: PORT })
      send(accept(listener), bytes('x'))
      return fd
    })
    pass(world)
    const epfd = watching(world.client, EPOLLIN, ...fds)
    const seen = new Set([0, 1, 2].flatMap(() => told(epfd, 0, 2).map(({ data }) => data)))
    expect([...seen].sort()).toEqual([...fds].sort())
  })

  it('a thousand registered, one ready -> only that one is looked at', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const idle = Array.from({ length: 1000 }, () => socket(AF_INET, SOCK_STREAM, 0, world.client))
    const epfd = watching(world.client, EPOLLIN, near, ...idle)
    // Sockets that are not connected are told once as hung up, as on Linux; edge-triggered they are quiet from then on.
    for (const fd of idle) epoll_ctl(epfd, EPOLL_CTL_MOD, fd, { events: EPOLLIN | EPOLLET, data: fd })
    expect(told(epfd, 0, 2000)).toHaveLength(1000)
    let looks = 0
    for (const fd of idle) countLooks(fd, () => { looks++ })
    send(far, bytes('x'))
    expect(told(epfd, -1)).toHaveLength(1)
    expect(looks).toBe(0)
    for (const fd of idle) close(fd)
  })

  it('the service ends -> connections hang up, a set with nothing to tell fails with ENETDOWN', () => {
    const world = makeWorld()
    const { near } = connected(world)
    const epfd = watching(world.client, EPOLLIN, near)
    const link = world.client.tas.link as unknown as { end(): void }
    link.end()
    expect(told(epfd, -1)[0].events & EPOLLHUP).toBe(EPOLLHUP)
    expect(codeOf(() => recv(near, buffer))).toBe('ECONNRESET')
    expect(codeOf(() => told(epoll_create1(0, world.client), -1))).toBe('ENETDOWN')
    expect(codeOf(() => connect(socket(AF_INET, SOCK_STREAM, 0, world.client), { address: SERVER_IP, port: PORT }))).toBe('ENETDOWN')
  })
})

describe('epoll_pwait', () => {
  it('without a mask -> as epoll_wait; with one -> EINVAL', () => {
    const epfd = epoll_create1(0, makeWorld().client)
    expect(epoll_pwait(epfd, createEpollEvents(1), 1, 0, null)).toBe(0)
    expect(codeOf(() => epoll_pwait(epfd, createEpollEvents(1), 1, 0, 5 as unknown as null))).toBe('EINVAL')
  })
})

describe('poll and ppoll', () => {
  it('ready, not ready, not open, negative -> revents of each', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    send(far, bytes('x'))
    const fds: PollFd[] = [
      { fd: near, events: POLLIN, revents: 9 }, { fd: near, events: POLLIN | POLLOUT, revents: 0 }, { fd: near + 999, events: POLLIN, revents: 0 },
      { fd: -1, events: POLLIN, revents: 9 },
    ]
    pass(world)
    expect(poll(fds, -1)).toBe(3)
    expect(fds.map(({ revents }) => revents)).toEqual([POLLIN, POLLIN | POLLOUT, POLLNVAL, 0])
  })

  it('waits for what comes, or for the time-out', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const fds = [{ fd: near, events: POLLIN, revents: 0 }]
    expect(poll(fds, 20)).toBe(0)
    expect(ppoll(fds, { tv_sec: 0, tv_nsec: 1000 }, null)).toBe(0)
    world.net.schedule(world.net.nowUs + 50_000, () => { send(far, bytes('x')) })
    expect(ppoll(fds)).toBe(1)
    expect(codeOf(() => ppoll(fds, { tv_sec: -1, tv_nsec: 0 }))).toBe('EINVAL')
  })

  it('a socket that is not connected -> POLLHUP, writable', () => {
    const { client } = makeWorld()
    const fds = [{ fd: socket(AF_INET, SOCK_STREAM, 0, client), events: POLLIN | POLLOUT, revents: 0 }]
    poll(fds, 0)
    expect(fds[0].revents).toBe(POLLHUP | POLLOUT)
  })

  it('sockets of two stacks -> EINVAL', () => {
    const { near, far } = connected(makeWorld())
    expect(codeOf(() => poll([near, far].map((fd) => ({ fd, events: POLLIN, revents: 0 })), 0))).toBe('EINVAL')
  })
})

describe('select and pselect', () => {
  it('sets -> what is ready stays; below nfds only', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const [readFds, writeFds, exceptFds] = [new Set([near]), new Set([near]), new Set([near])]
    expect(select(near + 1, readFds, writeFds, exceptFds, { tv_sec: 0, tv_usec: 0 })).toBe(1)
    expect([readFds.size, writeFds.size, exceptFds.size]).toEqual([0, 1, 0])
    send(far, bytes('x'))
    readFds.add(near)
    expect(select(near + 1, readFds, null, null)).toBe(1)
    expect(pselect(near, readFds, null, null, { tv_sec: 0, tv_nsec: 0 }, null)).toBe(0)
    expect([...readFds]).toEqual([near])
  })

  it('only exceptional conditions of a connection that has ended -> waits for the time-out', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    setsockopt(far, SOL_SOCKET, SO_LINGER, { l_onoff: 1, l_linger: 0 })
    close(far)
    pass(world)
    const before = world.net.nowUs
    expect(select(near + 1, null, null, new Set([near]), { tv_sec: 0, tv_usec: 500 })).toBe(0)
    expect(world.net.nowUs - before).toBeGreaterThanOrEqual(500)
  })

  it('not open -> EBADF; a bad time -> EINVAL', () => {
    const { near } = connected(makeWorld())
    expect(codeOf(() => select(near + 999, new Set([near + 900]), null, null))).toBe('EBADF')
    expect(codeOf(() => select(near, null, null, null, { tv_sec: 0, tv_usec: 1_000_000 }))).toBe('EINVAL')
  })
})

/** Calls `onLook` whenever the set asks a socket what it is ready for. */
function countLooks(fd: number, onLook: () => void): void {
  const file = descriptors.get(fd, 'test')
  const { readiness } = file
  file.readiness = () => {
    onLook()
    return readiness.call(file)
  }
}
