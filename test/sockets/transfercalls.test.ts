/** read, recv, recvfrom, recvmsg, readv, pread, write, send, sendto, sendmsg, writev, pwrite, sendfile. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  accept, AF_INET, AF_UNSPEC, close, connect, connectionOf, fcntl, F_SETFL, MSG_DONTWAIT, MSG_MORE, MSG_NOSIGNAL, MSG_OOB, MSG_PEEK, MSG_TRUNC,
  MSG_WAITALL, O_NONBLOCK, poll, POLLPRI, pread, pwrite, read, readv, recv, recvfrom, recvmsg, send, sendfile, sendmsg, sendto, setsockopt, SO_LINGER,
  SO_RCVTIMEO, SO_SNDTIMEO, SOCK_STREAM, socket, SOL_SOCKET, write, writev,
} from '../../lib/sockets/index.js'
import { SeededRandom } from '../sim/random.js'
import { bytes, codeOf, connected, listening, makeWorld, nonBlocking, pass, PORT, SERVER_IP, text } from './simhosts.js'

const buffer = new Uint8Array(64)

describe('read and write', () => {
  it('blocking -> what is there; write takes all, read waits for the first byte', () => {
    const { near, far } = connected(makeWorld())
    expect(write(near, bytes('hello'))).toBe(5)
    expect(text(buffer, read(far, buffer))).toBe('hello')
    expect([write(near, bytes('')), read(far, new Uint8Array(0))]).toEqual([0, 0])
  })

  it('a long stream through small buffers -> every byte in its place', () => {
    const world = makeWorld({ bufLen: 4096 })
    const { near, far } = connected(world)
    const random = new SeededRandom(5)
    const sent = random.bytes(100_000)
    const received = new Uint8Array(sent.length)
    fcntl(near, F_SETFL, O_NONBLOCK)
    let at = 0
    fcntl(far, F_SETFL, O_NONBLOCK)
    for (let got = 0; got < sent.length;) {
      expect(['', 'EAGAIN']).toContain(codeOf(() => { at += write(near, sent.subarray(at, at + 1 + random.below(9000))) }))
      expect(['', 'EAGAIN']).toContain(codeOf(() => { got += read(far, received.subarray(got, got + 1 + random.below(5000))) }))
      pass(world, random.below(3000))
    }
    expect(Buffer.compare(received, sent)).toBe(0)
  })

  it('write: non-blocking, full -> part of it, then EAGAIN; there is room later', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    fcntl(near, F_SETFL, O_NONBLOCK)
    const much = new Uint8Array(1 << 20)
    const first = write(near, much)
    expect(first).toBeGreaterThan(0)
    expect(first).toBeLessThan(much.length)
    pass(world)
    while (codeOf(() => write(near, much)) === '') pass(world)
    expect(codeOf(() => write(near, much))).toBe('EAGAIN')
    read(far, new Uint8Array(1 << 20))
    pass(world)
    expect(write(near, much)).toBeGreaterThan(0)
  })

  it('write: blocking, nobody reads, SO_SNDTIMEO -> what fitted, then EAGAIN', () => {
    const { near } = connected(makeWorld())
    setsockopt(near, SOL_SOCKET, SO_SNDTIMEO, { tv_sec: 0, tv_usec: 50_000 })
    const much = new Uint8Array(1 << 22)
    expect(write(near, much)).toBeLessThan(much.length)
    let code = ''
    // Its buffer and the peer's grow for a while.
    while (code === '') code = codeOf(() => write(near, much))
    expect(code).toBe('EAGAIN')
  })

  it('not connected -> ENOTCONN', () => {
    const { client } = makeWorld()
    const fd = socket(AF_INET, SOCK_STREAM, 0, client)
    expect([codeOf(() => read(fd, buffer)), codeOf(() => write(fd, bytes('x')))]).toEqual(['ENOTCONN', 'ENOTCONN'])
  })

  it('write: after the peer reset -> ECONNRESET once, then EPIPE, whatever MSG_NOSIGNAL says', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    setsockopt(far, SOL_SOCKET, SO_LINGER, { l_onoff: 1, l_linger: 0 })
    close(far)
    pass(world)
    fcntl(near, F_SETFL, O_NONBLOCK)
    expect(codeOf(() => read(near, buffer))).toBe('ECONNRESET')
    expect(codeOf(() => write(near, bytes('x')))).toBe('EPIPE')
    expect(codeOf(() => send(near, bytes('x'), MSG_NOSIGNAL))).toBe('EPIPE')
  })
})

describe('recv and send', () => {
  it('MSG_DONTWAIT: nothing there -> EAGAIN on a blocking socket', () => {
    const { near } = connected(makeWorld())
    expect(codeOf(() => recv(near, buffer, MSG_DONTWAIT))).toBe('EAGAIN')
  })

  it('EAGAIN -> the same error object each time: nothing is made for it', () => {
    const { near } = connected(makeWorld())
    const caught = [0, 1].map(() => {
      try {
        return recv(near, buffer, MSG_DONTWAIT)
      } catch (error) {
        return error
      }
    })
    expect(caught[0]).toBe(caught[1])
  })

  it('MSG_PEEK -> bytes stay', () => {
    const { near, far } = connected(makeWorld())
    send(near, bytes('peek'))
    expect(text(buffer, recv(far, buffer, MSG_PEEK))).toBe('peek')
    expect(text(buffer, recv(far, buffer))).toBe('peek')
  })

  it('MSG_WAITALL -> waits for all, or the end', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    send(near, bytes('first '))
    world.net.schedule(world.net.nowUs + 50_000, () => { send(near, bytes('second')) })
    expect(text(buffer, recv(far, buffer.subarray(0, 12), MSG_WAITALL))).toBe('first second')
    send(near, bytes('rest'))
    close(near)
    expect(text(buffer, recv(far, buffer, MSG_WAITALL))).toBe('rest')
  })

  it('MSG_WAITALL with MSG_PEEK -> waits for all and leaves it', () => {
    const world = makeWorld()
    const { near, far } = connected(world)
    send(near, bytes('ab'))
    world.net.schedule(world.net.nowUs + 50_000, () => { send(near, bytes('cd')) })
    expect(text(buffer, recv(far, buffer.subarray(0, 4), MSG_WAITALL | MSG_PEEK))).toBe('abcd')
    expect(recv(far, buffer)).toBe(4)
  })

  it('MSG_WAITALL with MSG_PEEK while it is connecting -> EAGAIN, or waits for the connection and the bytes; not an end', () => {
    const world = makeWorld()
    const listener = listening(world)
    const near = nonBlocking(world.client)
    expect(codeOf(() => { connect(near, { address: SERVER_IP, port: PORT }) })).toBe('EINPROGRESS')
    expect(codeOf(() => recv(near, buffer, MSG_PEEK | MSG_WAITALL))).toBe('EAGAIN')
    fcntl(near, F_SETFL, 0)
    fcntl(listener, F_SETFL, O_NONBLOCK)
    world.net.schedule(world.net.nowUs + 50_000, () => { codeOf(() => accept(listener)) })
    world.net.schedule(world.net.nowUs + 60_000, () => { send(accept(listener), bytes('abcd')) })
    expect(text(buffer, recv(near, buffer.subarray(0, 4), MSG_PEEK | MSG_WAITALL))).toBe('abcd')
  })

  it('MSG_TRUNC with MSG_PEEK -> their number, and they stay', () => {
    const { near, far } = connected(makeWorld())
    send(near, bytes('stays'))
    expect(recv(far, buffer.subarray(0, 3), MSG_TRUNC | MSG_PEEK)).toBe(3)
    expect(text(buffer, recv(far, buffer))).toBe('stays')
  })

  it('MSG_TRUNC -> bytes are dropped uncopied', () => {
    const { near, far } = connected(makeWorld())
    send(near, bytes('dropped'))
    buffer.fill(0)
    expect([recv(far, buffer.subarray(0, 4), MSG_TRUNC), buffer[0]]).toEqual([4, 0])
    expect(text(buffer, recv(far, buffer))).toBe('ped')
  })

  it('MSG_OOB -> sent as urgent, EPOLLPRI there until it is read in line; EINVAL to receive', () => {
    const { near, far } = connected(makeWorld())
    expect(codeOf(() => recv(near, buffer, MSG_OOB))).toBe('EINVAL')
    const fds = [{ fd: far, events: POLLPRI, revents: 0 }]
    expect(poll(fds, 0)).toBe(0)
    expect(send(near, bytes('urgent'), MSG_OOB)).toBe(6)
    expect([poll(fds, 1000), fds[0].revents]).toEqual([1, POLLPRI])
    expect(text(buffer, recv(far, buffer))).toBe('urgent')
    expect(poll(fds, 0)).toBe(0)
  })

  it('MSG_MORE -> sent at once', () => {
    const { near, far } = connected(makeWorld())
    send(near, bytes('x'), MSG_MORE)
    expect(recv(far, buffer)).toBe(1)
  })

  it('SO_RCVTIMEO -> EAGAIN after the time', () => {
    const world = makeWorld()
    const { near } = connected(world)
    setsockopt(near, SOL_SOCKET, SO_RCVTIMEO, { tv_sec: 1, tv_usec: 500_000 })
    const before = world.net.nowUs
    expect(codeOf(() => recv(near, buffer))).toBe('EAGAIN')
    expect(world.net.nowUs - before).toBeGreaterThanOrEqual(1_500_000)
  })
})

describe('recvfrom and sendto', () => {
  it('connected -> destination is ignored, no source is given', () => {
    const { near, far } = connected(makeWorld())
    expect(sendto(near, bytes('to'), 0, { address: '10.0.0.77', port: 7 })).toBe(2)
    const source = { family: AF_INET, address: '', port: 0 }
    expect(text(buffer, recvfrom(far, buffer, 0, source))).toBe('to')
    expect(source.family).toBe(AF_UNSPEC)
  })
})

describe('readv, writev, recvmsg, sendmsg', () => {
  it('several buffers -> one stream', () => {
    const { near, far } = connected(makeWorld())
    expect(writev(near, [bytes('one'), bytes(''), bytes('two')])).toBe(6)
    const parts = [new Uint8Array(2), new Uint8Array(0), new Uint8Array(10)]
    expect(readv(far, parts)).toBe(6)
    expect(text(parts[0], 2) + text(parts[2], 4)).toBe('onetwo')
    expect(sendmsg(near, { iov: [bytes('a'), bytes('bc')] })).toBe(3)
    const message = { iov: [new Uint8Array(1), new Uint8Array(5)], flags: 9, name: { family: AF_INET, address: '', port: 0 } }
    expect(recvmsg(far, message, MSG_PEEK)).toBe(3)
    expect(recvmsg(far, message, MSG_WAITALL | MSG_DONTWAIT)).toBe(3)
    expect([text(message.iov[1], 2), message.flags, message.name.family]).toEqual(['bc', 0, AF_UNSPEC])
  })

  it('more than 1024 buffers -> EINVAL', () => {
    const { near } = connected(makeWorld())
    const many = Array.from({ length: 1025 }, () => buffer)
    expect([codeOf(() => readv(near, many)), codeOf(() => writev(near, many))]).toEqual(['EINVAL', 'EINVAL'])
  })

  it('writev: non-blocking, the second buffer does not fit -> what was taken', () => {
    const { near } = connected(makeWorld())
    fcntl(near, F_SETFL, O_NONBLOCK)
    const sent = writev(near, [bytes('x'), new Uint8Array(1 << 20)])
    expect(sent).toBeGreaterThan(1)
    expect(sent).toBeLessThan(1 << 20)
  })
})

describe('pread and pwrite', () => {
  it('a socket -> ESPIPE', () => {
    const { near } = connected(makeWorld())
    expect([codeOf(() => pread(near, buffer, 0)), codeOf(() => pwrite(near, buffer, 0))]).toEqual(['ESPIPE', 'ESPIPE'])
  })
})

describe('sendfile', () => {
  it('from an offset, from the file position, to its end -> bytes arrive, the position moves by what was sent', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tas-sockets-'))
    writeFileSync(join(folder, 'file'), 'abcdefghij')
    const file = openSync(join(folder, 'file'), 'r')
    try {
      const { near, far } = connected(makeWorld())
      expect(sendfile(near, file, 7, 100)).toBe(3)
      expect(text(buffer, recv(far, buffer))).toBe('hij')
      expect(sendfile(near, file, null, 4)).toBe(4)
      expect(text(buffer, recv(far, buffer))).toBe('abcd')
      expect(readSync(file, buffer, 0, 1, null)).toBe(1)
      expect(text(buffer, 1)).toBe('e')
      expect(codeOf(() => sendfile(near, near, 0, 1))).toBe('EINVAL')
      expect(codeOf(() => sendfile(near, 999_999, 0, 1))).toBe('EBADF')
    } finally {
      closeSync(file)
      rmSync(folder, { recursive: true })
    }
  })

  it('non-blocking, larger than the buffer -> what fits, then EAGAIN; the position follows', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tas-sockets-'))
    writeFileSync(join(folder, 'file'), new Uint8Array(1 << 20))
    const file = openSync(join(folder, 'file'), 'r')
    try {
      const { near } = connected(makeWorld())
      fcntl(near, F_SETFL, O_NONBLOCK)
      const sent = sendfile(near, file, null, 1 << 20)
      expect(sent).toBeGreaterThan(0)
      expect(sent).toBeLessThan(1 << 20)
      expect(codeOf(() => sendfile(near, file, null, 10))).toBe('EAGAIN')
      expect(readSync(file, new Uint8Array(1 << 20), 0, 1 << 20, null)).toBe((1 << 20) - sent)
    } finally {
      closeSync(file)
      rmSync(folder, { recursive: true })
    }
  })
})

describe('connectionOf', () => {
  it('zero-copy calls of lib/tas -> bytes that the other side reads', () => {
    const { near, far } = connected(makeWorld())
    const connection = connectionOf(near)
    const got = connection.txAlloc(4)
    connection.txBuffer.set(bytes('zero'), connection.txOffset)
    connection.txSend(got)
    connection.context.flush()
    expect(text(buffer, recv(far, buffer, MSG_PEEK))).toBe('zero')
    const other = connectionOf(far)
    expect(String.fromCharCode(other.rxBuffer[other.rxOffset])).toBe('z')
    other.rxDone(4)
    expect(codeOf(() => recv(far, buffer, MSG_DONTWAIT))).toBe('EAGAIN')
  })

  it('not connected -> ENOTCONN', () => {
    const { client } = makeWorld()
    const fd = socket(AF_INET, SOCK_STREAM, 0, client)
    expect(codeOf(() => connectionOf(fd))).toBe('ENOTCONN')
    expect(codeOf(() => connect(fd, { address: SERVER_IP, port: PORT }))).toBe('ECONNREFUSED')
  })
})
