/** give_fd and take_fd: sockets that change threads. Two stacks on one application stand for two threads; the numbers are of one table here. */
import { describe, expect, it } from 'vitest'
import {
  accept, AF_INET, bind, close, connect, dup, EPOLLET, EPOLLIN, fcntl, F_GETFL, F_SETFL, getpeername, getsockname, getsockopt, give_fd, listen, MSG_WAITALL,
  O_NONBLOCK, recv, send, setsockopt, shutdown, SHUT_WR, SO_KEEPALIVE, SO_LINGER, SOCK_NONBLOCK, SOCK_STREAM, socket, SOL_SOCKET, SOL_TCP, take_fd,
  TCP_CONGESTION, TCP_KEEPIDLE, type Stack,
} from '../../lib/sockets/index.js'
import { bytes, codeOf, makeStack, makeThreads, makeWorld, pass, PORT, SERVER_IP, text, told, watching, type World } from './simhosts.js'

const TO_SERVER = { address: SERVER_IP, port: PORT }

interface Threads extends World {
  readonly one: Stack
  readonly other: Stack
}

function makeTwo(): Threads {
  const world = makeWorld()
  const [one, other] = makeThreads(world.net, world.serverHost)
  return { ...world, one, other }
}

function listeningIn(stack: Stack, type = SOCK_STREAM): number {
  const fd = socket(AF_INET, type, 0, stack)
  bind(fd, { address: '0.0.0.0', port: PORT })
  listen(fd, 8)
  return fd
}

function client({ client: stack }: World): number {
  const fd = socket(AF_INET, SOCK_STREAM, 0, stack)
  connect(fd, TO_SERVER)
  return fd
}

/** A connection: the client's descriptor and the server's, in thread `one`. */
function connectedTo(threads: Threads): { near: number; far: number } {
  const listener = listeningIn(threads.one)
  const near = client(threads)
  return { near, far: accept(listener) }
}

/** Bytes whose place shows. */
function pattern(len: number, from = 0): Uint8Array {
  return Uint8Array.from({ length: len }, (_, i) => ((from + i) * 31 + ((from + i) >> 8)) & 0xff)
}

describe('give_fd and take_fd: a connection', () => {
  it('read and unread bytes -> unread ones come in the other thread, both directions go on, close ends it', () => {
    const threads = makeTwo()
    const { near, far } = connectedTo(threads)
    send(near, bytes('read unread '))
    const buffer = new Uint8Array(64)
    recv(far, buffer.subarray(0, 5), MSG_WAITALL)
    send(far, bytes('sent here '))
    const there = take_fd(give_fd(far), threads.other)
    send(near, bytes('later'))
    expect(text(buffer, recv(there, buffer.subarray(0, 12), MSG_WAITALL))).toBe('unread later')
    send(there, bytes('and there'))
    expect(text(buffer, recv(near, buffer.subarray(0, 19), MSG_WAITALL))).toBe('sent here and there')
    expect([getpeername(there).address, getsockname(there).port]).toEqual(['10.0.0.2', PORT])
    close(there)
    expect(recv(near, buffer)).toBe(0)
  })

  it('bytes and the end while nobody has it -> all there when it is taken', () => {
    const threads = makeTwo()
    const { near, far } = connectedTo(threads)
    const handed = give_fd(far)
    send(near, pattern(60_000))
    shutdown(near, SHUT_WR)
    pass(threads)
    // The thread that gave it goes on with something else meanwhile.
    threads.one.poll()
    const there = take_fd(structuredClone(handed), threads.other)
    const buffer = new Uint8Array(60_000)
    expect(recv(there, buffer, MSG_WAITALL)).toBe(60_000)
    expect(Buffer.compare(buffer, pattern(60_000))).toBe(0)
    expect(recv(there, buffer)).toBe(0)
  })

  it('to and fro in the middle of a stream whose buffers grow -> every byte once, in order', () => {
    const threads = makeTwo()
    const { near, far } = connectedTo(threads)
    const [total, step] = [6 << 20, 50_021]
    fcntl(near, F_SETFL, O_NONBLOCK)
    let [fd, sent, got, back] = [far, 0, 0, 0]
    const [buffer, source] = [new Uint8Array(step), pattern(total)]
    for (let turn = 0; got < total; turn++) {
      if (sent < total && codeOf(() => { sent += send(near, source.subarray(sent, sent + 4 * step)) }) !== '') pass(threads, 300)
      const len = recv(fd, buffer)
      if (Buffer.compare(buffer.subarray(0, len), source.subarray(got, got + len)) !== 0) throw new Error(`bytes from ${got} on are others`)
      got += len
      send(fd, buffer.subarray(0, 1000))
      if (turn % 3 === 0) fd = take_fd(give_fd(fd), fd === far || turn % 2 === 0 ? threads.other : threads.one)
      if (turn % 4 === 0) codeOf(() => { back += recv(near, new Uint8Array(100_000)) })
    }
    expect(got).toBe(total)
    expect(back).toBeGreaterThan(0)
  })

  it('reset while nobody has it -> ECONNRESET in the other thread', () => {
    const threads = makeTwo()
    const { near, far } = connectedTo(threads)
    const handed = give_fd(far)
    setsockopt(near, SOL_SOCKET, SO_LINGER, { l_onoff: 1, l_linger: 0 })
    close(near)
    pass(threads)
    const there = take_fd(handed, threads.other)
    expect(codeOf(() => recv(there, new Uint8Array(8)))).toBe('ECONNRESET')
    close(there)
  })

  it('reset while nobody has it, bytes unread -> they are lost, ECONNRESET; not what stands in their place by then', () => {
    const threads = makeTwo()
    const { near, far } = connectedTo(threads)
    send(near, pattern(2000))
    pass(threads)
    expect(recv(far, new Uint8Array(8))).toBe(8)
    const handed = give_fd(far)
    setsockopt(near, SOL_SOCKET, SO_LINGER, { l_onoff: 1, l_linger: 0 })
    close(near)
    pass(threads)
    const there = take_fd(handed, threads.other)
    expect(codeOf(() => recv(there, new Uint8Array(64)))).toBe('ECONNRESET')
    expect(recv(there, new Uint8Array(64))).toBe(0)
    close(there)
  })

  it('options, O_NONBLOCK -> go with it', () => {
    const threads = makeTwo()
    const { far } = connectedTo(threads)
    setsockopt(far, SOL_SOCKET, SO_KEEPALIVE, 1)
    setsockopt(far, SOL_TCP, TCP_KEEPIDLE, 33)
    setsockopt(far, SOL_TCP, TCP_CONGESTION, 'reno')
    fcntl(far, F_SETFL, O_NONBLOCK)
    const there = take_fd(give_fd(far), threads.other)
    expect([getsockopt(there, SOL_SOCKET, SO_KEEPALIVE), getsockopt(there, SOL_TCP, TCP_KEEPIDLE)]).toEqual([1, 33])
    expect(getsockopt(there, SOL_TCP, TCP_CONGESTION)).toBe('reno')
    expect(fcntl(there, F_GETFL) & O_NONBLOCK).toBe(O_NONBLOCK)
    expect(codeOf(() => recv(there, new Uint8Array(1)))).toBe('EAGAIN')
  })

  it('duplicate, epoll set, SHUT_WR, not connected -> EBUSY, EBUSY, EINVAL, ENOTCONN, and it stays', () => {
    const threads = makeTwo()
    const { near, far } = connectedTo(threads)
    const copy = dup(far)
    expect(codeOf(() => give_fd(far))).toBe('EBUSY')
    close(copy)
    const set = watching(threads.one, EPOLLIN, far)
    expect(codeOf(() => give_fd(far))).toBe('EBUSY')
    close(set)
    expect(codeOf(() => give_fd(socket(AF_INET, SOCK_STREAM, 0, threads.one)))).toBe('ENOTCONN')
    shutdown(far, SHUT_WR)
    expect(codeOf(() => give_fd(far))).toBe('EINVAL')
    expect(recv(near, new Uint8Array(1))).toBe(0)
  })

  it('a thread with another application -> EXDEV, and it can still be taken', () => {
    const threads = makeTwo()
    const { near, far } = connectedTo(threads)
    const handed = give_fd(far)
    const stranger = makeStack(threads.net, threads.serverHost)
    expect(codeOf(() => take_fd(handed, stranger))).toBe('EXDEV')
    const there = take_fd(handed, threads.other)
    send(near, bytes('x'))
    expect(recv(there, new Uint8Array(1))).toBe(1)
  })
})

describe('give_fd and take_fd: a listening socket', () => {
  it('accept in the thread that does not listen -> gets the connection; the other one may, too', () => {
    const threads = makeTwo()
    const here = listeningIn(threads.one)
    const there = take_fd(structuredClone(give_fd(here)), threads.other)
    const first = client(threads)
    const far = accept(there)
    send(first, bytes('one'))
    const buffer = new Uint8Array(8)
    expect(text(buffer, recv(far, buffer))).toBe('one')
    const second = client(threads)
    const near = accept(here)
    send(second, bytes('two'))
    expect(text(buffer, recv(near, buffer))).toBe('two')
    expect(getsockname(there).port).toBe(PORT)
  })

  it('the listening thread never looks -> more connections than its event ring has room for are accepted elsewhere', () => {
    const threads = makeTwo()
    const there = take_fd(give_fd(listeningIn(threads.one)), threads.other)
    for (let i = 0; i < 300; i++) {
      const near = client(threads)
      close(accept(there))
      close(near)
    }
  })

  it('epoll, level-triggered, a connection at a time -> each is told; non-blocking accept -> EAGAIN, then it', () => {
    const threads = makeTwo()
    const there = take_fd(give_fd(listeningIn(threads.one, SOCK_STREAM | SOCK_NONBLOCK)), threads.other)
    const set = watching(threads.other, EPOLLIN, there)
    const nears = [client(threads), client(threads), client(threads)]
    const fars = nears.map(() => {
      expect(told(set, -1)).toHaveLength(1)
      return accept(there)
    })
    expect(new Set(fars).size).toBe(3)
    expect(codeOf(() => accept(there))).toBe('EAGAIN')
    client(threads)
    expect(told(set, 1000)).toHaveLength(1)
    accept(there)
  })

  it('epoll, edge-triggered, a connection accepted for each that is told -> the next that comes is told, and none twice', () => {
    const threads = makeTwo()
    const there = take_fd(give_fd(listeningIn(threads.one, SOCK_STREAM | SOCK_NONBLOCK)), threads.other)
    const set = watching(threads.other, EPOLLIN | EPOLLET, there)
    for (let i = 0; i < 3; i++) {
      expect(told(set)).toEqual([])
      client(threads)
      expect(told(set, 1000)).toHaveLength(1)
      accept(there)
    }
  })

  it('closed where it is not its own -> goes on in the other; closed where it is -> EINVAL in both, ECONNREFUSED for the peer', () => {
    const threads = makeTwo()
    const here = listeningIn(threads.one, SOCK_STREAM | SOCK_NONBLOCK)
    const handed = give_fd(here)
    close(take_fd(handed, threads.other))
    pass(threads)
    const near = client(threads)
    pass(threads)
    codeOf(() => accept(here))
    pass(threads)
    close(accept(here))
    close(near)
    const there = take_fd(handed, threads.other)
    expect(codeOf(() => accept(there))).toBe('EAGAIN')
    close(here)
    pass(threads)
    expect(codeOf(() => accept(there))).toBe('EINVAL')
    expect(codeOf(() => client(threads))).toBe('ECONNREFUSED')
    const late = take_fd(handed, threads.other)
    expect(codeOf(() => accept(late))).toBe('EAGAIN')
    pass(threads)
    expect(codeOf(() => accept(late))).toBe('EINVAL')
  })

  it('listened without sharing -> EINVAL', () => {
    const world = makeWorld()
    expect(codeOf(() => give_fd(listeningIn(world.server)))).toBe('EINVAL')
  })
})
