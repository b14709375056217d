import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { closeFd } from '../../native/memory.js'
import { socketPair, sendMessage, receiveMessage } from '../../native/unixsocket.js'
import { FdWatcher, LoopTurns } from '../../native/eventloop.js'
import { EventFd } from '../../native/wake.js'
import { hearingUncaught } from '../uncaught.js'
import { type ChildResult, runChild } from './child.js'

/** Runs `code` in five worker threads, one after the other, and terminates each. */
function runTerminated(code: string): Promise<ChildResult> {
  const worker = `${code}; require('node:worker_threads').parentPort.postMessage(1)`
  return runChild(`
    const { Worker } = require('node:worker_threads')
    const code = 'const native = require(' + JSON.stringify(ADDON) + ');' + ${JSON.stringify(worker)}
    const next = (left) => {
      if (left === 0) return console.log('done')
      const worker = new Worker(code, { eval: true })
      worker.once('message', () => worker.terminate().then(() => next(left - 1)))
    }
    next(5)
  `)
}

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
      if (++calls === 2) { native.loopHandleClose(watcher); return }
      throw new Error('from the callback')
    })
    native.eventfdWrite(fd)
  `)
  expect(result).toEqual({ code: 0, signal: null, output: 'from the callback\n' })
})

test('watcher: not closed, unref -> the process ends; ref -> it lives', async () => {
  const unreferenced = await runChild('native.loopHandleUnref(native.watcherCreate(native.eventfdCreate(), () => {}))')
  expect(unreferenced).toEqual({ code: 0, signal: null, output: '' })
  const referenced = await runChild(`
    const watcher = native.watcherCreate(native.eventfdCreate(), () => {})
    native.loopHandleUnref(watcher)
    native.loopHandleRef(watcher)
    setTimeout(() => { console.log('alive'); process.exit(3) }, 50).unref()
  `)
  expect(referenced).toEqual({ code: 3, signal: null, output: 'alive\n' })
})

test('watcher: its worker thread is terminated -> closed with it, no crash', async () => {
  const result = await runTerminated(`
    const fd = native.eventfdCreate()
    native.watcherCreate(fd, () => {})
    native.eventfdWrite(fd)
    native.createRegion("tn-worker", 65536)
  `)
  expect(result).toEqual({ code: 0, signal: null, output: 'done\n' })
})

test('watcher: in the callback -> no async context, whatever was entered when it was made', async () => {
  const result = await runChild(`
    const { executionAsyncId, AsyncLocalStorage } = require('node:async_hooks')
    const store = new AsyncLocalStorage()
    const fd = native.eventfdCreate()
    store.run('of the maker', () => {
      const watcher = native.watcherCreate(fd, () => {
        console.log(executionAsyncId(), store.getStore())
        native.loopHandleClose(watcher)
      })
    })
    native.eventfdWrite(fd)
  `)
  expect(result).toEqual({ code: 0, signal: null, output: '0 undefined\n' })
})

test('turns: started -> called in each turn of the loop, behind timers and before setImmediate; stopped -> not', async () => {
  const result = await runChild(`
    const seen = []
    const turns = native.turnsCreate(() => {
      seen.push('turn')
      process.nextTick(() => seen.push('tick'))
      setImmediate(() => seen.push('immediate'))
      if (seen.filter((what) => what === 'turn').length === 2) native.turnsStop(turns)
    })
    setTimeout(() => {
      seen.push('timer')
      native.turnsStart(turns)
      native.turnsStart(turns)
    }, 1)
    setTimeout(() => { console.log(seen.join(' ')); native.loopHandleClose(turns) }, 20)
  `)
  expect(result.output).toBe('timer turn tick immediate turn tick immediate\n')
})

test('turns: callback throws -> uncaughtException before its ticks, the next turn comes', async () => {
  const seen: unknown[] = []
  await hearingUncaught((error) => seen.push(error.message), () => new Promise<void>((resolve) => {
    let calls = 0
    const turns = new LoopTurns(() => {
      if (++calls === 2) {
        turns.close()
        resolve()
        return
      }
      process.nextTick(() => seen.push('tick'))
      throw new Error('from the callback')
    })
    turns.start()
  }))
  expect(seen).toEqual(['from the callback', 'tick'])
})

test('turns: a tick that the callback runs throws in an async context -> uncaughtException, what follows runs', async () => {
  const result = await runChild(`
    const { AsyncResource } = require('node:async_hooks')
    process.on('uncaughtException', (error) => console.log(error.message))
    let calls = 0
    const turns = native.turnsCreate(() => {
      if (++calls === 2) { native.loopHandleClose(turns); return }
      new AsyncResource('TEST').runInAsyncScope(() => {
        process.nextTick(() => { throw new Error('from a tick') })
        process.nextTick(() => console.log('the next tick'))
      })
      try {
        process._tickCallback()
      } catch (error) {
        native.uncaught(error)
      }
    })
    native.turnsStart(turns)
  `)
  expect(result).toEqual({ code: 0, signal: null, output: 'from a tick\nthe next tick\n' })
})

test('turns: nobody handles the exception -> the process ends with it', async () => {
  const result = await runChild(`
    const turns = native.turnsCreate(() => { try { throw new Error('fatal') } catch (error) { native.uncaught(error) } })
    native.turnsStart(turns)
  `)
  expect(result.code).toBe(1)
  expect(result.output).toContain('Error: fatal\n    at ')
})

test('turns: not started, or unref -> the process ends; started -> it lives', async () => {
  expect(await runChild('native.turnsCreate(() => {})')).toEqual({ code: 0, signal: null, output: '' })
  expect(await runChild('const turns = native.turnsCreate(() => {}); native.turnsStart(turns); native.loopHandleUnref(turns)')).toMatchObject({ code: 0 })
  const started = await runChild(`
    native.turnsStart(native.turnsCreate(() => {}))
    setTimeout(() => { console.log('alive'); process.exit(3) }, 50).unref()
  `)
  expect(started).toEqual({ code: 3, signal: null, output: 'alive\n' })
})

test('turns: closed in the callback -> not called again; start and stop do nothing then', async () => {
  let calls = 0
  const turns = new LoopTurns(() => {
    calls++
    turns.close()
    turns.close()
    turns.start()
    turns.stop()
  })
  turns.start()
  for (let i = 0; i < 20; i++) await turn()
  expect(calls).toBe(1)
})

test('turns: their worker thread is terminated -> closed with it, no crash', async () => {
  const result = await runTerminated('native.turnsStart(native.turnsCreate(() => {}))')
  expect(result).toEqual({ code: 0, signal: null, output: 'done\n' })
})

test('turns: a watcher in their place, or something else -> TypeError', async () => {
  const result = await runChild(`
    const watcher = native.watcherCreate(native.eventfdCreate(), () => {})
    for (const call of [() => native.turnsStart(watcher), () => native.turnsStop(watcher), () => native.loopHandleClose({})]) {
      try { call() } catch (error) { console.log(error.name) }
    }
    native.loopHandleClose(watcher)
  `)
  expect(result).toEqual({ code: 0, signal: null, output: 'TypeError\nTypeError\nTypeError\n' })
})
