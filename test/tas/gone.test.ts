import { expect, test } from 'vitest'
import { AS_HANDLE, REQ_CONN_OPEN } from '../../lib/memif/index.js'
import { STATUS_SERVICE_GONE, TasError } from '../../lib/tas/index.js'
import { describeEvent, FakeService } from './fakeservice.js'

test('service gone: -> data, then an end for every connection and listener, then block throws', () => {
  const service = new FakeService()
  const { flow } = service.connect()
  const { connection: closing } = service.connect()
  const listener = service.listen()
  listener.accept()
  service.context.connect('1.2.3.4', 80)
  closing.close()
  service.receive(flow, 'last')
  service.link.end()
  expect(service.tas.gone).toBe(true)
  service.context.block()
  expect(service.poll().sort()).toEqual([
    'CONN_CLOSED ESERVICEGONE', 'CONN_CLOSED ESERVICEGONE', 'CONN_OPEN ESERVICEGONE', 'CONN_RECEIVED last',
    'LISTEN_ACCEPT ESERVICEGONE', 'LISTEN_CLOSED ESERVICEGONE',
  ])
  expect(service.poll()).toEqual([])
  expect(() => service.context.block()).toThrow('ESERVICEGONE')
  expect(() => service.context.connect('1.2.3.4', 80)).toThrow('ESERVICEGONE')
  expect(() => service.context.listen(80)).toThrow('ESERVICEGONE')
  expect(listener.state).toBe('closed')
})

test('service gone: while block sleeps -> returns', () => {
  const service = new FakeService()
  service.connect()
  service.onSleep = () => service.link.end()
  service.context.block()
  expect(service.poll()).toEqual(['CONN_CLOSED ESERVICEGONE'])
  expect(service.events[0].status).toBe(STATUS_SERVICE_GONE)
})

test('service gone: while attached -> callbacks, and the attachment ends', async () => {
  const service = new FakeService()
  service.connect()
  const seen: string[] = []
  service.context.attach((event) => { seen.push(describeEvent(event)) })
  await turns(100)
  service.link.end()
  await turns(5)
  expect(seen).toEqual(['CONN_CLOSED ESERVICEGONE'])
})

test('close: context and Tas -> everything closed, then EBADF', () => {
  const service = new FakeService()
  const { connection } = service.connect()
  const listener = service.listen()
  const pending = service.context.connect('1.2.3.4', 80)
  service.context.flush()
  expect(service.request(REQ_CONN_OPEN)[AS_HANDLE]).toBe(pending.handle)
  service.tas.close()
  service.tas.close()
  expect([connection.state, listener.state, pending.state]).toEqual(['closing', 'closing', 'closing'])
  expect(service.requests()).toHaveLength(3)
  for (const use of [() => service.context.poll([]), () => service.context.block(), () => service.context.flush(),
    () => service.context.connect('1.2.3.4', 80), () => service.tas.createContext(), () => service.context.attach(() => {})]) {
    expect(use).toThrow(TasError)
    expect(use).toThrow('EBADF')
  }
})

/** Lets the event loop turn `count` times. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}
