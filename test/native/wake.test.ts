import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { currentCpu, getAffinity, setAffinity } from '../../native/cpu.js'
import { closeFd } from '../../native/memory.js'
import { socketPair, sendMessage, receiveMessage } from '../../native/unixsocket.js'
import { EventFd, FdWatcher, nowUs, TimerFd, waitReadable, yieldCpu } from '../../native/wake.js'
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

test('watcher: woken -> called from the event loop, promises done before the next event', async () => {
  const event = new EventFd()
  const seen: string[] = []
  await new Promise<void>((resolve) => {
    const watcher = new FdWatcher(event.fd, () => {
      event.drain()
      void Promise.resolve().then(() => seen.push('microtask'))
      process.nextTick(() => seen.push('tick'))
      setImmediate(() => {
        watcher.close()
        resolve()
      })
    })
    event.wake()
    seen.push('armed')
  })
  expect(seen).toEqual(['armed', 'tick', 'microtask'])
  event.close()
})

test('watcher: closed in its callback -> not called again, although still readable', async () => {
  const event = new EventFd()
  let calls = 0
  const watcher = new FdWatcher(event.fd, () => {
    calls++
    watcher.close()
    watcher.close()
    watcher.ref()
  })
  event.wake()
  for (let i = 0; i < 20; i++) await turn()
  expect(calls).toBe(1)
  event.close()
})

test('watcher: a second one for the descriptor -> EEXIST; a closed descriptor -> EBADF', () => {
  const event = new EventFd()
  const watcher = new FdWatcher(event.fd, () => undefined)
  expect(() => new FdWatcher(event.fd, () => undefined)).toThrow(expect.objectContaining({ code: 'EEXIST' }))
  watcher.close()
  event.close()
  expect(() => new FdWatcher(99_999, () => undefined)).toThrow(expect.objectContaining({ code: 'EBADF' }))
})

test('watcher: peer dies with our message unread -> called, the end is seen', async () => {
  const [a, b] = socketPair()
  sendMessage(a, new Uint8Array(4), [])
  const length = await new Promise((resolve) => {
    const watcher = new FdWatcher(a, () => {
      const message = receiveMessage(a, new Uint8Array(4))
      watcher.close()
      resolve(message?.lenBytes)
    })
    closeFd(b)
  })
  expect(length).toBe(0)
  closeFd(a)
})

test('watcher: exception in the callback -> uncaughtException, watching goes on', async () => {
  const result = await runChild(`
    let calls = 0
    process.on('uncaughtException', (error) => console.log(error.message))
    const fd = native.eventfdCreate()
    const watcher = native.watcherCreate(fd, () => {
      if (++calls === 2) { native.watcherClose(watcher); return }
      throw new Error('from the callback')
    })
    native.eventfdWrite(fd)
  `)
  expect(result).toEqual({ code: 0, signal: null, output: 'from the callback\n' })
})

test('watcher: not closed, unref -> the process ends; ref -> it lives', async () => {
  const unreferenced = await runChild('native.watcherUnref(native.watcherCreate(native.eventfdCreate(), () => {}))')
  expect(unreferenced).toEqual({ code: 0, signal: null, output: '' })
  const referenced = await runChild(`
    const watcher = native.watcherCreate(native.eventfdCreate(), () => {})
    native.watcherUnref(watcher)
    native.watcherRef(watcher)
    setTimeout(() => { console.log('alive'); process.exit(3) }, 50).unref()
  `)
  expect(referenced).toEqual({ code: 3, signal: null, output: 'alive\n' })
})

test('watcher: its worker thread is terminated -> closed with it, no crash', async () => {
  const result = await runChild(`
    const { Worker } = require('node:worker_threads')
    const code = 'const native = require(' + JSON.stringify(ADDON) + ');' +
      'const fd = native.eventfdCreate(); native.watcherCreate(fd, () => {}); native.eventfdWrite(fd);' +
      'native.createRegion("tn-worker", 65536); require("node:worker_threads").parentPort.postMessage(1)'
    const next = (left) => {
      if (left === 0) return console.log('done')
      const worker = new Worker(code, { eval: true })
      worker.once('message', () => worker.terminate().then(() => next(left - 1)))
    }
    next(5)
  `)
  expect(result).toEqual({ code: 0, signal: null, output: 'done\n' })
})

test('dieWithParent: set -> readable in the process', async () => {
  const result = await runChild(`native.dieWithParent(); native.setName('tn-child'); native.setTimerSlackNs(1000)
    console.log(require('node:fs').readFileSync('/proc/self/comm', 'utf8').trim())`)
  expect(result.output).toBe('tn-child\n')
})
