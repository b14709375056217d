import { expect, test } from 'vitest'
import { CONN_RECEIVED, type TasEvent } from '../../lib/tas/index.js'
import { hearingUncaught } from '../uncaught.js'
import { describeEvent, FakeService } from './fakeservice.js'

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

function sleeping(service: FakeService): boolean {
  return service.words[service.contexts[0].sleepingWord] % 2 === 1
}

test('attach: idle -> sleeps; an event -> callback, answer handed over, sleeps again', async () => {
  const service = new FakeService()
  const { flow } = service.connect()
  service.context.attach((event: TasEvent) => {
    if (event.type !== CONN_RECEIVED) return
    event.connection.rxDone(event.total)
    event.connection.write(Buffer.from('pong'))
  })
  await turns(100)
  expect(sleeping(service)).toBe(true)
  service.receive(flow, 'ping')
  await turns(2)
  expect(service.bumps()).toMatchObject([{ rcvRead: flow.rcvEnd, sndEnd: (flow.txBase + 4) | 0 }])
  await turns(100)
  expect(sleeping(service)).toBe(true)
  service.context.detach()
  expect(sleeping(service)).toBe(false)
})

test('attach: written outside of a callback -> handed over by a microtask', async () => {
  const service = new FakeService()
  const { connection } = service.connect()
  service.context.attach(() => {})
  await turns(100)
  connection.write(Buffer.from('a'))
  connection.write(Buffer.from('b'))
  expect(service.bumps()).toEqual([])
  await Promise.resolve()
  expect(service.bumps()).toHaveLength(1)
  service.context.detach()
})

test('attach: events of more than one turn -> the event loop turns in between', async () => {
  const service = new FakeService({ fastEntries: 128 })
  const flows = Array.from({ length: 100 }, () => service.connect().flow)
  const seen: string[] = []
  const after: number[] = []
  service.context.attach((event) => { seen.push(describeEvent(event)) })
  await turns(100)
  for (const flow of flows) service.receive(flow, 'x')
  for (let i = 0; i < 10; i++) {
    await turns(1)
    after.push(seen.length)
  }
  expect(after).toContain(64)
  expect(after.at(-1)).toBe(100)
  service.context.detach()
})

test('attach: handler throws -> uncaughtException, later events still come', async () => {
  const service = new FakeService()
  const flows = [service.connect().flow, service.connect().flow]
  const seen: string[] = []
  const caught: unknown[] = []
  await hearingUncaught((error) => caught.push(error.message), async () => {
    service.context.attach((event) => {
      seen.push(describeEvent(event))
      if (seen.length === 1) throw new Error('handler')
    })
    for (const flow of flows) service.receive(flow, `${flow.flow}`)
    await turns(10)
    service.receive(flows[0], 'more')
    await turns(100)
  })
  expect(caught).toEqual(['handler'])
  expect(seen).toEqual(['CONN_RECEIVED 0', 'CONN_RECEIVED 1', 'CONN_RECEIVED more'])
  service.context.detach()
})

test('attach: detached in the handler -> no more callbacks, poll goes on', async () => {
  const service = new FakeService()
  const { flow } = service.connect()
  let calls = 0
  service.context.attach(() => {
    calls++
    service.context.detach()
  })
  expect(() => service.context.poll(service.events)).toThrow('EBUSY')
  expect(() => service.context.block()).toThrow('EBUSY')
  expect(() => service.context.attach(() => {})).toThrow('EBUSY')
  service.receive(flow, 'a')
  await turns(5)
  service.receive(flow, 'b')
  await turns(5)
  expect(calls).toBe(1)
  expect(service.poll()).toEqual(['CONN_RECEIVED b'])
})

test('attach: bump ring full -> retried by itself', async () => {
  const service = new FakeService({ fastEntries: 2 })
  const { connection } = service.connect()
  service.context.attach(() => {})
  await turns(100)
  for (let i = 0; i < 3; i++) {
    connection.write(Buffer.from('x'))
    await Promise.resolve()
  }
  expect(service.bumps()).toHaveLength(2)
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(service.bumps()).toHaveLength(1)
  service.context.detach()
})

test('defer: in a handler -> behind the events of its turn, handed over with them', async () => {
  const service = new FakeService()
  const flows = [service.connect().flow, service.connect().flow]
  const log: string[] = []
  service.context.attach((event) => {
    log.push(describeEvent(event))
    service.context.defer(() => {
      log.push('deferred')
      event.connection?.write(Buffer.from('late'))
      log.push(`${service.bumps().length} handed over`)
    })
  })
  await turns(100)
  for (const flow of flows) service.receive(flow, `${flow.flow}`)
  await turns(2)
  expect(log).toEqual(['CONN_RECEIVED 0', 'CONN_RECEIVED 1', 'deferred', '0 handed over', 'deferred', '0 handed over'])
  expect(service.bumps()).toHaveLength(2)
  service.context.detach()
})

test('defer: asleep -> in the next turn, which sleeps again; one throws -> the others run', async () => {
  const service = new FakeService()
  service.context.attach(() => {})
  await turns(100)
  expect(sleeping(service)).toBe(true)
  const log: string[] = []
  await hearingUncaught((error) => log.push(error.message), async () => {
    service.context.defer(() => { throw new Error('first') })
    service.context.defer(() => log.push('second'))
    expect(log).toEqual([])
    await turns(100)
  })
  expect(log).toEqual(['first', 'second'])
  expect(sleeping(service)).toBe(true)
  service.context.detach()
})

test('defer: not attached, or detached before its turn -> in a setImmediate', async () => {
  const service = new FakeService()
  const log: string[] = []
  service.context.defer(() => log.push('never attached'))
  await turns(1)
  service.context.attach(() => {})
  service.context.defer(() => log.push('detached'))
  service.context.detach()
  await turns(1)
  expect(log).toEqual(['never attached', 'detached'])
})
