/** socket, close, shutdown, bind, connect, listen, accept, accept4, getsockname, getpeername, move_conn. */
import { constants } from 'node:os'
import { describe, expect, it } from 'vitest'
import {
  accept, accept4, AF_INET, bind, close, connect, fcntl, F_GETFD, F_GETFL, FD_CLOEXEC, getpeername, getsockname, getsockopt, init, listen, move_conn,
  O_NONBLOCK, read, recv, send, setsockopt, shutdown, SHUT_RD, SHUT_RDWR, SHUT_WR, SO_ERROR, SO_LINGER, SO_RCVTIMEO, SO_REUSEADDR, SO_REUSEPORT,
  SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, socket, SocketError, SOL_SOCKET, Stack, write,
} from '../../lib/sockets/index.js'
import {
  bytes, CLIENT_IP, codeOf, connected, listening, makeStack, makeWorld, nonBlocking, pass, PORT, SERVER_IP, text, told, watching,
} from './simhosts.js'

const TO_SERVER = { address: SERVER_IP, port: PORT }

describe('socket', () => {
  it('AF_INET, SOCK_STREAM -> lowest free descriptor, above all of the kernel', () => {
    const { client } = makeWorld()
    const [one, two] = [socket(AF_INET, SOCK_STREAM, 0, client), socket(AF_INET, SOCK_STREAM, 6, client)]
    expect([one >= 2 ** 30, two]).toEqual([true, one + 1])
    close(one)
    expect(socket(AF_INET, SOCK_STREAM, 0, client)).toBe(one)
    close(one)
    close(two)
  })

  it('type with SOCK_NONBLOCK and SOCK_CLOEXEC -> flags set', () => {
    const { client } = makeWorld()
    const fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, client)
    expect([fcntl(fd, F_GETFL) & O_NONBLOCK, fcntl(fd, F_GETFD)]).toEqual([O_NONBLOCK, FD_CLOEXEC])
    close(fd)
  })

  it('other domain, type, protocol -> EAFNOSUPPORT, EPROTONOSUPPORT', () => {
    const { client } = makeWorld()
    expect(codeOf(() => socket(10, SOCK_STREAM, 0, client))).toBe('EAFNOSUPPORT')
    expect(codeOf(() => socket(AF_INET, 2, 0, client))).toBe('EPROTONOSUPPORT')
    expect(codeOf(() => socket(AF_INET, SOCK_STREAM, 17, client))).toBe('EPROTONOSUPPORT')
  })
})

describe('init', () => {
  it('again -> the same stack; another Tas, or the service has ended -> a new one on which sockets work', () => {
    const [one, two, three] = [makeWorld(), makeWorld(), makeWorld()]
    const first = init({ tas: one.client.tas })
    expect(init()).toBe(first)
    expect(init({ tas: one.client.tas })).toBe(first)
    const second = init({ tas: two.client.tas })
    expect(second.tas).toBe(two.client.tas)
    const old = socket(AF_INET, SOCK_STREAM)
    const link = two.client.tas.link as unknown as { end(): void }
    link.end()
    expect(codeOf(() => connect(old, TO_SERVER))).toBe('ENETDOWN')
    init({ tas: three.client.tas })
    listening(three)
    const fd = socket(AF_INET, SOCK_STREAM)
    connect(fd, TO_SERVER)
    expect(getpeername(fd).port).toBe(PORT)
  })
})

describe('errors', () => {
  it('a failed call -> SocketError with code, errno, syscall', () => {
    const error = new SocketError('EBADF', 'close', '')
    expect(error).toMatchObject({ code: 'EBADF', errno: constants.errno.EBADF, syscall: 'close' })
    expect(() => close(2 ** 30 + 5000)).toThrow(expect.objectContaining({ name: 'SocketError', code: 'EBADF', syscall: 'close' }))
    expect(codeOf(() => read(0, bytes('x')))).toBe('EBADF')
  })

  it('a descriptor of another thread -> EBADF that says so', () => {
    expect(() => close((2 ** 30) + (7 << 20))).toThrow('another thread')
  })
})

describe('connect and accept', () => {
  it('blocking -> both ends connected; getsockname and getpeername tell the addresses', () => {
    const world = makeWorld()
    const listener = listening(world)
    const near = socket(AF_INET, SOCK_STREAM, 0, world.client)
    connect(near, TO_SERVER)
    const peer = { address: '', port: 0 }
    const far = accept(listener, peer)
    expect(getpeername(near)).toEqual({ family: AF_INET, ...TO_SERVER })
    expect(getsockname(far)).toEqual({ family: AF_INET, ...TO_SERVER })
    expect(peer).toEqual({ ...getsockname(near) })
    expect(getpeername(far)).toEqual(peer)
    expect(peer.address).toBe(CLIENT_IP)
  })

  it('connect: non-blocking -> EINPROGRESS, EALREADY, then writable and EISCONN', () => {
    const world = makeWorld()
    listening(world)
    const fd = nonBlocking(world.client)
    const epfd = watching(world.client, 4, fd)
    expect(codeOf(() => connect(fd, TO_SERVER))).toBe('EINPROGRESS')
    expect(codeOf(() => connect(fd, TO_SERVER))).toBe('EALREADY')
    expect(told(epfd, -1)).toEqual([{ events: 4, data: fd }])
    expect(getsockopt(fd, SOL_SOCKET, SO_ERROR)).toBe(0)
    expect(codeOf(() => connect(fd, TO_SERVER))).toBe('EISCONN')
  })

  it('connect: refused -> ECONNREFUSED; non-blocking: SO_ERROR once, and it can be tried again', () => {
    const world = makeWorld()
    const fd = socket(AF_INET, SOCK_STREAM, 0, world.client)
    expect(codeOf(() => connect(fd, TO_SERVER))).toBe('ECONNREFUSED')
    const other = nonBlocking(world.client)
    expect(codeOf(() => connect(other, TO_SERVER))).toBe('EINPROGRESS')
    pass(world)
    expect(getsockopt(other, SOL_SOCKET, SO_ERROR)).toBe(constants.errno.ECONNREFUSED)
    expect(getsockopt(other, SOL_SOCKET, SO_ERROR)).toBe(0)
    listening(world)
    connect(fd, TO_SERVER)
    expect(getpeername(fd).port).toBe(PORT)
  })

  it('connect: bound socket -> comes from that port', () => {
    const world = makeWorld()
    const listener = listening(world)
    const fd = socket(AF_INET, SOCK_STREAM, 0, world.client)
    bind(fd, { address: '0.0.0.0', port: 5555 })
    connect(fd, TO_SERVER)
    expect(getpeername(accept(listener)).port).toBe(5555)
  })

  it.each([['bad address', { address: '10.0.0', port: 80 }, 'EINVAL'], ['port 0', { address: SERVER_IP, port: 0 }, 'EINVAL'],
    ['IPv6', { family: 10, address: '::1', port: 80 }, 'EAFNOSUPPORT']])('connect: %s -> refused', (_name, address, code) => {
    const { client } = makeWorld()
    expect(codeOf(() => connect(socket(AF_INET, SOCK_STREAM, 0, client), address))).toBe(code)
  })

  it('accept: nobody there -> EAGAIN if non-blocking or after SO_RCVTIMEO', () => {
    const world = makeWorld()
    const listener = listening(world, SOCK_STREAM | SOCK_NONBLOCK)
    expect(codeOf(() => accept(listener))).toBe('EAGAIN')
    fcntl(listener, 4, 0)
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, { tv_sec: 0, tv_usec: 20_000 })
    const before = world.net.nowUs
    expect(codeOf(() => accept(listener))).toBe('EAGAIN')
    expect(world.net.nowUs - before).toBeGreaterThanOrEqual(20_000)
  })

  it('accept: a socket that does not listen -> EINVAL', () => {
    const { server } = makeWorld()
    expect(codeOf(() => accept(socket(AF_INET, SOCK_STREAM, 0, server)))).toBe('EINVAL')
  })

  it('accept: connection reset before -> still accepted, then ECONNRESET once', () => {
    const world = makeWorld()
    const listener = listening(world)
    const near = socket(AF_INET, SOCK_STREAM, 0, world.client)
    connect(near, TO_SERVER)
    told(watching(world.server, 1, listener), -1)
    setsockopt(near, SOL_SOCKET, SO_LINGER, { l_onoff: 1, l_linger: 0 })
    close(near)
    pass(world)
    const far = accept(listener)
    expect(codeOf(() => recv(far, new Uint8Array(4)))).toBe('ECONNRESET')
    expect(recv(far, new Uint8Array(4))).toBe(0)
  })

  it('accept4: flags -> those of the descriptor; other flags -> EINVAL', () => {
    const world = makeWorld()
    const listener = listening(world)
    connect(socket(AF_INET, SOCK_STREAM, 0, world.client), TO_SERVER)
    expect(codeOf(() => accept4(listener, null, 1))).toBe('EINVAL')
    const far = accept4(listener, null, SOCK_NONBLOCK | SOCK_CLOEXEC)
    expect([fcntl(far, F_GETFL) & O_NONBLOCK, fcntl(far, F_GETFD)]).toEqual([O_NONBLOCK, FD_CLOEXEC])
  })

  it('listen: more connections than the backlog -> all are accepted in turn', () => {
    const world = makeWorld()
    const listener = listening(world, SOCK_STREAM, 2)
    for (let i = 0; i < 4; i++) {
      connect(socket(AF_INET, SOCK_STREAM, 0, world.client), TO_SERVER)
      world.server.poll()
      pass(world)
    }
    const ports = Array.from({ length: 4 }, () => getpeername(accept(listener)).port)
    expect(new Set(ports).size).toBe(4)
  })
})

describe('bind and listen', () => {
  it('bind: twice, or an address in use -> EINVAL, EADDRINUSE; with SO_REUSEADDR or SO_REUSEPORT on both -> allowed', () => {
    const { server } = makeWorld()
    const make = () => socket(AF_INET, SOCK_STREAM, 0, server)
    const [one, two] = [make(), make()]
    const address = { address: '0.0.0.0', port: 99 }
    bind(one, address)
    expect(getsockname(one)).toMatchObject(address)
    expect(codeOf(() => bind(one, address))).toBe('EINVAL')
    expect(codeOf(() => bind(two, { address: SERVER_IP, port: 99 }))).toBe('EADDRINUSE')
    setsockopt(one, SOL_SOCKET, SO_REUSEADDR, 1)
    setsockopt(two, SOL_SOCKET, SO_REUSEADDR, 1)
    bind(two, address)
    listen(one, 1)
    expect(codeOf(() => listen(two, 1))).toBe('EADDRINUSE')
    close(one)
    close(two)
  })

  it('listen: port 0 -> getsockname tells the one that TAS chose', () => {
    const { server } = makeWorld()
    const fd = socket(AF_INET, SOCK_STREAM, 0, server)
    expect(getsockname(fd)).toEqual({ family: AF_INET, address: '0.0.0.0', port: 0 })
    listen(fd, 1)
    expect(getsockname(fd).port).toBeGreaterThan(0)
  })

  it('listen: an address that is not ours -> EADDRNOTAVAIL', () => {
    const { server } = makeWorld()
    const fd = socket(AF_INET, SOCK_STREAM, 0, server)
    bind(fd, { address: '10.9.9.9', port: 90 })
    expect(codeOf(() => listen(fd, 1))).toBe('EADDRNOTAVAIL')
  })

  it('listen: two with SO_REUSEPORT -> connections to both, none lost', () => {
    const world = makeWorld()
    const other = makeStack(world.net, world.serverHost)
    const listeners = [world.server, other].map((stack) => {
      const fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, stack)
      setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, 1)
      bind(fd, { address: '0.0.0.0', port: PORT })
      listen(fd, 64)
      return fd
    })
    for (let i = 0; i < 16; i++) connect(socket(AF_INET, SOCK_STREAM, 0, world.client), TO_SERVER)
    pass(world)
    // A first look lets the sockets ask TAS for what is there.
    for (const fd of listeners) expect(codeOf(() => accept(fd))).toBe('EAGAIN')
    pass(world)
    const counts = listeners.map((fd) => {
      let count = 0
      for (; codeOf(() => accept(fd)) === ''; count++) pass(world)
      return count
    })
    expect(counts[0] + counts[1]).toBe(16)
    expect(Math.min(...counts)).toBeGreaterThan(0)
  })
})

describe('shutdown', () => {
  it('SHUT_WR -> the peer reads to the end, and can still send', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    send(near, bytes('last'))
    shutdown(near, SHUT_WR)
    expect(codeOf(() => send(near, bytes('x')))).toBe('EPIPE')
    const buffer = new Uint8Array(16)
    expect(text(buffer, recv(far, buffer))).toBe('last')
    expect(recv(far, buffer)).toBe(0)
    send(far, bytes('answer'))
    expect(text(buffer, recv(near, buffer))).toBe('answer')
  })

  it('SHUT_RD -> what is there can be read, then the end', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    send(near, bytes('data'))
    pass(world)
    shutdown(far, SHUT_RD)
    const buffer = new Uint8Array(16)
    expect([recv(far, buffer), recv(far, buffer)]).toEqual([0, 0])
    expect(send(far, bytes('x'))).toBe(1)
  })

  it('SHUT_RDWR -> both', () => {
    const { near, far } = connected(makeWorld())
    shutdown(near, SHUT_RDWR)
    expect(codeOf(() => send(near, bytes('x')))).toBe('EPIPE')
    expect([recv(near, new Uint8Array(1)), recv(far, new Uint8Array(1))]).toEqual([0, 0])
  })

  it('not connected -> ENOTCONN; a bad way -> EINVAL; a listening socket -> stops listening', () => {
    const world = makeWorld()
    const fd = socket(AF_INET, SOCK_STREAM, 0, world.client)
    expect(codeOf(() => shutdown(fd, SHUT_WR))).toBe('ENOTCONN')
    expect(codeOf(() => shutdown(fd, 3))).toBe('EINVAL')
    const listener = listening(world)
    shutdown(listener, SHUT_RD)
    expect(codeOf(() => accept(listener))).toBe('EINVAL')
    expect(codeOf(() => connect(fd, TO_SERVER))).toBe('ECONNREFUSED')
  })
})

describe('close', () => {
  it('what was sent -> delivered, then the end', () => {
    const { near, far } = connected(makeWorld())
    send(near, bytes('all of it'))
    close(near)
    const buffer = new Uint8Array(64)
    expect(text(buffer, recv(far, buffer))).toBe('all of it')
    expect(recv(far, buffer)).toBe(0)
    expect(codeOf(() => recv(near, buffer))).toBe('EBADF')
  })

  it('unread bytes -> reset (RFC 2525, 2.17)', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    send(far, bytes('unread'))
    told(watching(world.client, 1, near), -1)
    close(near)
    expect(codeOf(() => recv(far, new Uint8Array(4)))).toBe('ECONNRESET')
    expect(codeOf(() => send(far, bytes('x')))).toBe('EPIPE')
  })

  it('both directions ended with bytes unread -> they can be read still', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    shutdown(far, SHUT_WR)
    send(near, bytes('kept'))
    close(near)
    pass(world, 1_000_000)
    const buffer = new Uint8Array(64)
    expect(recv(far, buffer.subarray(0, 2))).toBe(2)
    expect(text(buffer, 2 + recv(far, buffer.subarray(2)))).toBe('kept')
    expect(recv(far, buffer)).toBe(0)
  })

  it('SO_LINGER of 0 -> reset; of seconds -> waits until the peer has all, at most so long', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    setsockopt(near, SOL_SOCKET, SO_LINGER, { l_onoff: 1, l_linger: 2 })
    send(near, bytes('x'))
    const before = world.net.nowUs
    close(near)
    expect(world.net.nowUs).toBeGreaterThan(before)
    expect(world.net.nowUs - before).toBeLessThan(1_000_000)
    setsockopt(far, SOL_SOCKET, SO_LINGER, { l_onoff: 1, l_linger: 0 })
    close(far)

    const other = connected(makeWorld())
    setsockopt(other.near, SOL_SOCKET, SO_LINGER, { l_onoff: 1, l_linger: 0 })
    close(other.near)
    expect(codeOf(() => recv(other.far, new Uint8Array(4)))).toBe('ECONNRESET')
  })

  it('SO_LINGER, the peer is gone -> gives up after the time', () => {
    const world = makeWorld()
    const { near } = connected(world)
    setsockopt(near, SOL_SOCKET, SO_LINGER, { l_onoff: 1, l_linger: 2 })
    world.net.end(world.serverHost).isDown = true
    send(near, bytes('x'))
    const before = world.net.nowUs
    close(near)
    expect(world.net.nowUs - before).toBeGreaterThanOrEqual(2_000_000)
    expect(world.net.nowUs - before).toBeLessThan(4_000_000)
  })

  it('a listening socket -> connections that nobody accepted are reset, the port is free', () => {
    const world = makeWorld()
    const listener = listening(world)
    const near = socket(AF_INET, SOCK_STREAM, 0, world.client)
    connect(near, TO_SERVER)
    told(watching(world.server, 1, listener), -1)
    close(listener)
    expect(codeOf(() => recv(near, new Uint8Array(1)))).toBe('ECONNRESET')
    pass(world)
    close(listening(world))
  })

  it('while connecting -> called off', () => {
    const world = makeWorld()
    const fd = nonBlocking(world.client)
    expect(codeOf(() => connect(fd, TO_SERVER))).toBe('EINPROGRESS')
    close(fd)
    pass(world)
    expect(codeOf(() => connect(fd, TO_SERVER))).toBe('EBADF')
  })
})

describe('move_conn', () => {
  it('to another stack of the Tas -> same descriptor, events there, nothing lost', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const other = new Stack(world.server.tas)
    send(near, bytes('before '))
    pass(world)
    move_conn(far, other)
    send(near, bytes('after'))
    pass(world)
    const buffer = new Uint8Array(64)
    expect(text(buffer, recv(far, buffer, 0x100 | 0x40))).toBe('before after')
    write(far, bytes('answer'))
    expect(text(buffer, recv(near, buffer))).toBe('answer')
    move_conn(far, other)
    close(far)
    expect(recv(near, buffer)).toBe(0)
  })

  it('reset before TAS hears of it -> ENOTCONN; it stays, and the reset is told by the next call', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    const other = new Stack(world.server.tas)
    setsockopt(near, SOL_SOCKET, SO_LINGER, { l_onoff: 1, l_linger: 0 })
    close(near)
    pass(world)
    expect(codeOf(() => move_conn(far, other))).toBe('ENOTCONN')
    expect(other['sockets'].size).toBe(0)
    expect(codeOf(() => recv(far, new Uint8Array(1)))).toBe('ECONNRESET')
    close(far)
  })

  it('not connected, watched, another Tas -> ENOTCONN, EBUSY, EXDEV', () => {
    const world = makeWorld()
    const { far } = connected(world)
    const other = new Stack(world.server.tas)
    expect(codeOf(() => move_conn(socket(AF_INET, SOCK_STREAM, 0, world.server), other))).toBe('ENOTCONN')
    expect(codeOf(() => move_conn(far, world.client))).toBe('EXDEV')
    const epfd = watching(world.server, 1, far)
    expect(codeOf(() => move_conn(far, other))).toBe('EBUSY')
    close(epfd)
    move_conn(far, other)
  })
})
