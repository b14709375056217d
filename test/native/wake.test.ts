import { expect, test } from 'vitest'
import { currentCpu, getAffinity, setAffinity } from '../../native/cpu.js'
import { closeFd } from '../../native/memory.js'
import { socketPair, sendMessage, receiveMessage } from '../../native/unixsocket.js'
import { EventFd, nowUs, TimerFd, waitReadable, yieldCpu } from '../../native/wake.js'
import { runChild } from './child.js'

test('waitReadable: eventfd written -> its bit; drained -> none', () => {
  const a = new EventFd()
  const b = new EventFd()
  const fds = Int32Array.of(a.fd, b.fd)
  expect(waitReadable(fds, 2, 0)).toBe(0)
  b.wake()
  b.wake()
  expect(waitReadable(fds, 2, -1)).toBe(2)
  a.wake()
  expect(waitReadable(fds, 2, -1)).toBe(3)
  b.drain()
  b.drain()
  expect(waitReadable(fds, 2, 0)).toBe(1)
  a.close()
  b.close()
  expect(() => waitReadable(fds, 2, 0)).toThrow(expect.objectContaining({ code: 'EBADF' }))
})

test('waitReadable: more descriptors than the array or the mask has -> RangeError', () => {
  expect(() => waitReadable(new Int32Array(2), 3, 0)).toThrow(RangeError)
  expect(() => waitReadable(new Int32Array(40), 32, 0)).toThrow(RangeError)
  expect(() => waitReadable(new Int32Array(2), -1, 0)).toThrow(RangeError)
})

test('waitReadable: time-out -> 0, not before the time', () => {
  const start = nowUs()
  expect(waitReadable(new Int32Array(0), 0, 2000)).toBe(0)
  expect(nowUs() - start).toBeGreaterThanOrEqual(2000)
})

test('waitReadable: socket whose peer died with our message unread -> reported once as error, then as closed', () => {
  const [a, b] = socketPair()
  sendMessage(a, new Uint8Array(4), [])
  closeFd(b)
  expect(waitReadable(Int32Array.of(a), 1, -1)).toBe(1)
  expect(receiveMessage(a, new Uint8Array(4))?.lenBytes).toBe(0)
  closeFd(a)
})

test('timer: armed -> readable after the time; disarmed -> never', () => {
  const timer = new TimerFd()
  const fds = Int32Array.of(timer.fd)
  const start = nowUs()
  timer.arm(1500)
  expect(waitReadable(fds, 1, -1)).toBe(1)
  expect(nowUs() - start).toBeGreaterThanOrEqual(1500)
  timer.drain()
  timer.arm(-5)
  expect(waitReadable(fds, 1, -1)).toBe(1)
  timer.drain()
  timer.arm(1e9)
  timer.disarm()
  expect(waitReadable(fds, 1, 3000)).toBe(0)
  timer.close()
})

test('clock: microseconds of CLOCK_MONOTONIC; yield: a small integer', () => {
  const before = Number(process.hrtime.bigint() / 1000n)
  const now = nowUs()
  expect(now).toBeGreaterThanOrEqual(before)
  expect(now - before).toBeLessThan(1e6)
  expect(Number.isInteger(yieldCpu())).toBe(true)
})

test('affinity: set and read back; none that exists -> EINVAL', () => {
  const cpus = getAffinity()
  setAffinity(cpus.slice(0, 1))
  expect(currentCpu()).toBe(cpus[0])
  expect(getAffinity()).toEqual(cpus.slice(0, 1))
  setAffinity(cpus)
  expect(() => setAffinity([1023])).toThrow(expect.objectContaining({ code: 'EINVAL' }))
  expect(() => setAffinity([4000])).toThrow(RangeError)
})

test('dieWithParent: set -> readable in the process', async () => {
  const result = await runChild(`native.dieWithParent(); native.setName('tn-child'); native.setTimerSlackNs(1000)
    console.log(require('node:fs').readFileSync('/proc/self/comm', 'utf8').trim())`)
  expect(result.output).toBe('tn-child\n')
})
