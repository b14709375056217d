import { constants } from 'node:os'
import { expect, test } from 'vitest'
import {
  AS_BACKLOG, AS_FLAGS, AS_HANDLE, AS_LISTENER, AS_LOCAL_IP, AS_PORTS, EV_LISTEN_ACCEPT, LISTEN_REUSEPORT,
  REQ_CONN_CLOSE, REQ_LISTEN_CLOSE, REQ_LISTEN_OPEN,
} from '../../lib/memif/index.js'
import { LISTEN_ACCEPT, LISTEN_NEWCONN, LISTEN_OPEN, STATUS_SERVICE_GONE, TasError } from '../../lib/tas/index.js'
import { FakeService } from './fakeservice.js'

const { EADDRINUSE, ECANCELED } = constants.errno

test('listen: options -> request with all fields', () => {
  const service = new FakeService()
  service.context.listen(8080, { address: '10.0.0.1', backlog: 5, reusePort: true })
  expect(service.requests()).toEqual([])
  service.context.flush()
  const entry = service.request(REQ_LISTEN_OPEN)
  expect(entry[AS_LOCAL_IP]).toBe(0x0a000001)
  expect(entry[AS_PORTS]).toBe(8080)
  expect(entry[AS_BACKLOG]).toBe(5)
  expect(entry[AS_FLAGS]).toBe(LISTEN_REUSEPORT)
})

test('listen: answer -> LISTEN_OPEN with listener and chosen port', () => {
  const service = new FakeService()
  const listener = service.context.listen(0)
  service.context.flush()
  service.listenOpen(service.request(REQ_LISTEN_OPEN)[AS_HANDLE], 0, 1234)
  expect(service.poll()).toEqual(['LISTEN_OPEN'])
  expect(service.events[0]).toMatchObject({ type: LISTEN_OPEN, status: 0, error: null })
  expect(service.events[0].listener).toBe(listener)
  expect(listener).toMatchObject({ state: 'open', port: 1234, address: '10.0.0.1' })
})

test('listen: refused -> LISTEN_OPEN with status, pending accepts end the same way', () => {
  const service = new FakeService()
  const listener = service.context.listen(80)
  listener.accept()
  service.context.flush()
  service.listenOpen(service.requests()[0][AS_HANDLE], EADDRINUSE)
  expect(service.poll()).toEqual(['LISTEN_OPEN EADDRINUSE', 'LISTEN_ACCEPT EADDRINUSE'])
  expect(service.events[0].error).toMatchObject({ code: 'EADDRINUSE', errno: EADDRINUSE })
  expect(listener.state).toBe('closed')
  expect(() => listener.accept()).toThrow(TasError)
})

test('listener: connection waits -> LISTEN_NEWCONN with remote address', () => {
  const service = new FakeService()
  const listener = service.listen()
  service.newConnection(listener.handle)
  expect(service.poll()).toEqual(['LISTEN_NEWCONN'])
  expect(service.events[0]).toMatchObject({ type: LISTEN_NEWCONN, remoteIp: 0xc0a80102, remotePort: 4000 })
  expect(service.events[0].listener).toBe(listener)
  expect(() => service.events[0].connection).toThrow('EINVAL')
})

test('listener: accepts ahead -> each its connection', () => {
  const service = new FakeService()
  const listener = service.listen()
  const first = listener.accept()
  const second = listener.accept()
  service.context.flush()
  const [one, two] = service.requests()
  expect(one[AS_LISTENER]).toBe(listener.handle)
  service.accepted(one[AS_HANDLE], listener.handle, service.makeFlow())
  service.accepted(two[AS_HANDLE], listener.handle, service.makeFlow())
  expect(service.poll()).toEqual(['LISTEN_ACCEPT', 'LISTEN_ACCEPT'])
  expect(service.events[0].connection).toBe(first)
  expect(service.events[1].connection).toBe(second)
  expect(service.events[1]).toMatchObject({ type: LISTEN_ACCEPT, status: 0 })
  expect(service.events[1].listener).toBe(listener)
  expect(first).toMatchObject({
    state: 'open', remoteAddress: '192.168.1.2', remotePort: 4000, localAddress: '10.0.0.1', localPort: 80, mss: 1448, txFree: 64,
  })
})

test('listener: close -> pending accept ECANCELED, LISTEN_CLOSED, no NEWCONN in between', () => {
  const service = new FakeService()
  const listener = service.listen()
  listener.accept()
  const accept = service.acceptRequest()
  listener.close()
  listener.close()
  service.context.flush()
  expect(service.request(REQ_LISTEN_CLOSE)[AS_HANDLE]).toBe(listener.handle)
  service.newConnection(listener.handle)
  service.failed(EV_LISTEN_ACCEPT, accept, ECANCELED)
  service.listenClosed(listener.handle)
  expect(service.poll().sort()).toEqual(['LISTEN_ACCEPT ECANCELED', 'LISTEN_CLOSED'])
  expect(() => listener.accept()).toThrow('EBADF')
})

test('accept: closed while the answer is on its way -> CONN_CLOSED only', () => {
  const service = new FakeService()
  const listener = service.listen()
  const connection = listener.accept()
  const handle = service.acceptRequest()
  connection.close()
  service.context.flush()
  expect(service.request(REQ_CONN_CLOSE)[AS_HANDLE]).toBe(handle)
  const flow = service.makeFlow()
  service.accepted(handle, listener.handle, flow)
  service.receive(flow, 'never seen')
  expect(service.poll()).toEqual([])
  service.connectionClosed(handle, flow)
  expect(service.poll()).toEqual(['CONN_CLOSED'])
  expect(connection.state).toBe('closed')
})

test('listen: more requests than the ring holds -> none is lost', () => {
  const service = new FakeService({ slowEntries: 4 })
  const listener = service.listen()
  for (let i = 0; i < 11; i++) listener.accept()
  const handles = new Set<number>()
  for (let round = 0; round < 3; round++) {
    service.context.flush()
    for (const entry of service.requests()) handles.add(entry[AS_HANDLE])
  }
  expect(handles.size).toBe(11)
})

test('listen: bad arguments -> EINVAL', () => {
  const { context } = new FakeService()
  for (const listen of [
    () => context.listen(65536), () => context.listen(-1), () => context.listen(1.5), () => context.listen(80, { backlog: 0 }),
    () => context.listen(80, { address: '10.0.0' }), () => context.listen(80, { address: '10.0.0.256' }),
  ]) expect(listen).toThrow('EINVAL')
})

test('waitOpen: answer behind other entries -> port at once; events stay in order', () => {
  const service = new FakeService()
  service.context.listen(80)
  service.context.flush()
  const first = service.request(REQ_LISTEN_OPEN)[AS_HANDLE]
  const listener = service.context.listen(0)
  service.onSleep = () => {
    const second = service.request(REQ_LISTEN_OPEN)[AS_HANDLE]
    service.listenOpen(first, 0, 80)
    service.listenOpen(second, 0, 1234)
  }
  expect(listener.waitOpen(1_000_000)).toBe(0)
  expect(listener).toMatchObject({ state: 'open', port: 1234 })
  expect(service.poll()).toEqual(['LISTEN_OPEN', 'LISTEN_OPEN'])
  expect(service.events.slice(0, 2).map((event) => event.listener.port)).toEqual([80, 1234])
  expect(listener.waitOpen(0)).toBe(0)
})

test('waitOpen: refused -> the status, and LISTEN_OPEN with it', () => {
  const service = new FakeService()
  const listener = service.context.listen(80)
  service.onSleep = () => service.listenOpen(service.request(REQ_LISTEN_OPEN)[AS_HANDLE], EADDRINUSE)
  expect([listener.waitOpen(1_000_000), listener.state]).toEqual([EADDRINUSE, 'closed'])
  expect(service.poll()).toEqual(['LISTEN_OPEN EADDRINUSE'])
  expect(listener.waitOpen(0)).toBe(EADDRINUSE)
})

test('waitOpen: no answer in time -> -1; the service ends -> its status', () => {
  const service = new FakeService()
  const listener = service.context.listen(80)
  service.onSleep = () => { service.clockUs += 1000 }
  expect([listener.waitOpen(5000), listener.state]).toEqual([-1, 'opening'])
  service.onSleep = () => service.link.end()
  expect(listener.waitOpen(5_000_000)).toBe(STATUS_SERVICE_GONE)
})
