import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { EventFd, KERNEL_POLL_ADD, KERNEL_POLL_DELETE, KERNEL_POLL_MODIFY, KernelPoll, waitReadable } from '../../native/index.js'

const EPOLLIN = 1
const EPOLLET = 1 << 31

const closers: (() => void)[] = []

afterEach(() => {
  for (const close of closers.splice(0)) close()
})

function make(): { poll: KernelPoll; bell: EventFd; out: Int32Array } {
  const poll = new KernelPoll()
  const bell = new EventFd()
  closers.push(() => poll.close(), () => bell.close())
  return { poll, bell, out: new Int32Array(8) }
}

describe('KernelPoll', () => {
  it('take: a descriptor that is ready -> descriptor and events, again while it is', () => {
    const { poll, bell, out } = make()
    poll.control(KERNEL_POLL_ADD, bell.fd, EPOLLIN)
    expect(poll.take(out)).toBe(0)
    bell.wake()
    expect([poll.take(out), out[0], out[1]]).toEqual([1, bell.fd, EPOLLIN])
    expect(poll.take(out)).toBe(1)
    bell.drain()
    expect(poll.take(out)).toBe(0)
  })

  it('take: more are ready than wanted -> so many; an array too short -> RangeError', () => {
    const { poll, bell, out } = make()
    const other = new EventFd()
    closers.push(() => other.close())
    for (const { fd } of [bell, other]) poll.control(KERNEL_POLL_ADD, fd, EPOLLIN)
    bell.wake()
    other.wake()
    expect([poll.take(out, 1), poll.take(out)]).toEqual([1, 2])
    expect(() => poll.take(out, 5)).toThrow(RangeError)
    expect(() => poll.take(out, 0)).toThrow(RangeError)
  })

  it('take: edge-triggered -> once for each wake', () => {
    const { poll, bell, out } = make()
    poll.control(KERNEL_POLL_ADD, bell.fd, EPOLLIN | EPOLLET)
    bell.wake()
    expect([poll.take(out), poll.take(out)]).toEqual([1, 0])
    bell.wake()
    expect(poll.take(out)).toBe(1)
  })

  it('fd: something is ready -> readable', () => {
    const { poll, bell } = make()
    poll.control(KERNEL_POLL_ADD, bell.fd, EPOLLIN)
    expect(waitReadable(Int32Array.of(poll.fd), 1, 0)).toBe(0)
    bell.wake()
    expect(waitReadable(Int32Array.of(poll.fd), 1, 0)).toBe(1)
  })

  it('control: modify, delete -> as said; what cannot be -> code of the system call', () => {
    const { poll, bell, out } = make()
    bell.wake()
    poll.control(KERNEL_POLL_ADD, bell.fd, 0)
    expect(poll.take(out)).toBe(0)
    poll.control(KERNEL_POLL_MODIFY, bell.fd, EPOLLIN)
    expect(poll.take(out)).toBe(1)
    poll.control(KERNEL_POLL_DELETE, bell.fd, 0)
    expect(poll.take(out)).toBe(0)
    expect(() => poll.control(KERNEL_POLL_DELETE, bell.fd, 0)).toThrow(expect.objectContaining({ code: 'ENOENT', syscall: 'epoll_ctl' }))
    expect(() => poll.control(KERNEL_POLL_ADD, -1, EPOLLIN)).toThrow(expect.objectContaining({ code: 'EBADF' }))
  })

  it('control: a regular file -> EPERM', () => {
    const { poll } = make()
    const folder = mkdtempSync(join(tmpdir(), 'tas-kernelpoll-'))
    const fd = openSync(join(folder, 'file'), 'w')
    closers.push(() => closeSync(fd), () => rmSync(folder, { recursive: true }))
    expect(() => poll.control(KERNEL_POLL_ADD, fd, EPOLLIN)).toThrow(expect.objectContaining({ code: 'EPERM' }))
  })
})
