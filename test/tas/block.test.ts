import { expect, test } from 'vitest'
import { SpinPolicy } from '../../native/index.js'
import { FakeService } from './fakeservice.js'

test('block: something there -> returns without sleeping', () => {
  const service = new FakeService()
  const { flow } = service.connect()
  service.receive(flow, 'x')
  service.context.block()
  expect(service.sleeps).toEqual([])
})

test('block: nothing there -> publishes its mark, sleeps without time-out, clears the mark', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  const word = service.contexts[0].sleepingWord
  service.onSleep = () => {
    expect(service.words[word] & 1).toBe(1)
    expect(service.bumps()).toHaveLength(1)
    service.receive(flow, 'x')
  }
  connection.write(Buffer.from('handed over by block'))
  service.context.block()
  expect(service.sleeps).toEqual([-1])
  expect(service.words[word] & 1).toBe(0)
  expect(service.poll()).toEqual(['CONN_RECEIVED x'])
})

test('poll: the thread is on another CPU -> said in the context\'s block, for workers', () => {
  const service = new FakeService()
  const word = service.contexts[0].sleepingWord + 1
  service.poll()
  expect(service.words[word]).toBe(0)
  for (const cpu of [3, 0]) {
    service.link.currentCpu = () => cpu
    service.poll()
    expect(service.words[word]).toBe(cpu + 1)
  }
})

test('block: event between the first look and the mark -> no sleep', () => {
  const service = new FakeService()
  const { flow } = service.connect()
  const word = service.contexts[0].sleepingWord
  const { words } = service
  const store = Atomics.store
  Atomics.store = ((array: Int32Array, index: number, value: number) => {
    if (array.buffer === words.buffer && index === word && (value & 1) === 1) service.receive(flow, 'just now')
    return store(array, index, value)
  }) as typeof Atomics.store
  try {
    service.context.block()
  } finally {
    Atomics.store = store
  }
  expect(service.sleeps).toEqual([])
})

test('block: time-out -> passed on less what was spun; 0 -> returns at once', () => {
  const service = new FakeService()
  service.onSleep = () => {}
  service.context.block(0)
  expect(service.sleeps).toEqual([])
  service.context.block(10_000)
  expect(service.sleeps[0]).toBeGreaterThan(9_800)
  expect(service.sleeps[0]).toBeLessThan(10_000)
})

test('block: a full ring holds something back -> short sleep, since room wakes nobody', () => {
  const service = new FakeService({ fastEntries: 2 })
  const { connection } = service.connect()
  for (let i = 0; i < 3; i++) {
    connection.write(Buffer.from('x'))
    service.context.flush()
  }
  service.onSleep = () => {}
  service.context.block()
  expect(service.sleeps).toEqual([1_000])
})

test('block: poll interval of the service -> spun for so long before the sleep; 0 -> not at all', () => {
  for (const pollIntervalUs of [0, 200]) {
    const service = new FakeService({ pollIntervalUs })
    let sleptAtUs = 0
    service.onSleep = () => { sleptAtUs = service.nowUs() }
    const startUs = service.nowUs()
    service.context.block()
    expect(sleptAtUs - startUs).toBeGreaterThanOrEqual(pollIntervalUs)
    expect(sleptAtUs - startUs).toBeLessThan(pollIntervalUs + 10)
  }
})

test('block: a descriptor with a TAS in the same thread -> ENOTSUP', () => {
  const service = new FakeService()
  expect(() => service.context.block(-1, 0)).toThrow(expect.objectContaining({ code: 'ENOTSUP' }))
})

test('attach: poll interval 0 -> sleeps after the first turn without events', async () => {
  const service = new FakeService({ pollIntervalUs: 0 })
  service.context.attach(() => {})
  // The turn comes before the second: the first may be of the same round of the loop.
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve))
  expect(service.words[service.contexts[0].sleepingWord] & 1).toBe(1)
  service.context.detach()
})

test('spin: only after a short wait, for 50 us at most', () => {
  const spin = new SpinPolicy()
  expect(spin.begin(0)).toBe(true)
  expect(spin.again(49, 1)).toBe(true)
  expect(spin.again(50, 1)).toBe(false)
  spin.end(5_000, false)
  expect(spin.begin(6_000)).toBe(false)
  spin.end(6_100, false)
  expect(spin.begin(7_000)).toBe(true)
})

test('spin: CPU-bound neighbour -> back-off 2 ms, doubled each time, forgotten after 256 good waits', () => {
  const spin = new SpinPolicy()
  expect(spin.begin(0)).toBe(true)
  expect(spin.again(4_000, 4_000)).toBe(false)
  expect(spin.begin(5_999)).toBe(false)
  expect(spin.begin(6_000)).toBe(true)
  expect(spin.again(10_000, 4_000)).toBe(false)
  expect(spin.begin(13_999)).toBe(false)
  expect(spin.begin(14_000)).toBe(true)
  for (let i = 0; i < 256; i++) spin.end(14_001, true)
  expect(spin.again(20_000, 4_000)).toBe(false)
  expect(spin.begin(22_000)).toBe(true)
})

test('spin: something known to be near -> spins although the last wait was long, and on until it is there', () => {
  const spin = new SpinPolicy()
  spin.begin(0)
  spin.end(5_000, false)
  expect([spin.begin(6_000), spin.begin(6_000, 51), spin.begin(6_000, 50)]).toEqual([false, false, true])
  expect([spin.again(6_060, 1, 51), spin.again(6_060, 1, 20), spin.again(6_080, 1, 0)]).toEqual([false, true, true])
})

test('spin: something near, but a CPU-bound neighbour or no spinning at all -> blocks', () => {
  const spin = new SpinPolicy()
  spin.begin(0, 10)
  expect([spin.again(4_000, 4_000, 10), spin.begin(5_999, 10), spin.begin(6_000, 10)]).toEqual([false, false, true])
  expect(new SpinPolicy(0).begin(0, 0)).toBe(false)
})

test('spin: a wait that nothing came to end -> no spinning until one is short again', () => {
  const spin = new SpinPolicy()
  expect(spin.begin(0)).toBe(true)
  spin.endUnanswered()
  expect(spin.begin(100)).toBe(false)
  spin.end(150, false)
  expect(spin.begin(200)).toBe(true)
})
