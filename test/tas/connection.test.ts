import { constants } from 'node:os'
import { expect, test } from 'vitest'
import {
  AS_FLAGS, AS_FLOW, AS_GEN_WORKER, AS_HANDLE, AS_LOCAL_IP, AS_OPTION, AS_PORTS, AS_REMOTE_IP, AS_TYPE, AS_VALUE, BUMP_FIN, BUMP_RX_SHUT, CLOSE_ABORT, EV_CONN_OPEN,
  EVENT_RX_CLOSED, EVENT_TX_CLOSED, OPTION_SOURCE_ROUTE, REQ_CONN_CLOSE, REQ_CONN_OPEN, REQ_CONN_OPTION,
} from '../../lib/memif/index.js'
import { CONN_CLOSED, CONN_OPEN } from '../../lib/tas/index.js'
import { FakeService } from './fakeservice.js'

const { ECONNREFUSED, ECONNRESET, ETIMEDOUT } = constants.errno

test('connect: options -> request with all fields', () => {
  const service = new FakeService()
  const connection = service.context.connect(0xc0a80102, 443, { localAddress: '10.0.0.1', localPort: 5000 })
  service.context.flush()
  const entry = service.request(REQ_CONN_OPEN)
  expect(entry[AS_REMOTE_IP] >>> 0).toBe(0xc0a80102)
  expect(entry[AS_LOCAL_IP]).toBe(0x0a000001)
  expect(entry[AS_PORTS]).toBe((443 << 16) | 5000)
  expect(connection.state).toBe('opening')
})

test('connect: sourceRoute -> a request for each hop, then the open request (RFC 9293, 3.9.2.1: MUST-51)', () => {
  const service = new FakeService()
  service.context.connect('1.2.3.4', 443, { sourceRoute: { hops: ['10.0.0.9', 0x0a000008], strict: true } })
  service.context.flush()
  const [first, second, open] = service.requests()
  expect([first, second].map((entry) => [entry[AS_TYPE], entry[AS_FLOW], ...entry.subarray(AS_OPTION, AS_VALUE + 3)])).toEqual([
    [REQ_CONN_OPTION, -1, OPTION_SOURCE_ROUTE, 0, 0x0a000009, 1], [REQ_CONN_OPTION, -1, OPTION_SOURCE_ROUTE, 1, 0x0a000008, 1],
  ])
  expect([open[AS_TYPE], open[AS_REMOTE_IP]]).toEqual([REQ_CONN_OPEN, 0x01020304])
})

test('connect: no hop, ten, or an address that is none -> EINVAL', () => {
  const { context } = new FakeService()
  for (const hops of [[], Array.from({ length: 10 }, () => '10.0.0.9'), ['10.0.0'], [1.5]]) {
    expect(() => context.connect('1.2.3.4', 443, { sourceRoute: { hops } })).toThrow('EINVAL')
  }
})

test('connect: answer -> CONN_OPEN and an open connection', () => {
  const service = new FakeService()
  const { connection } = service.connect()
  expect(service.events[0]).toMatchObject({ type: CONN_OPEN, status: 0 })
  expect(service.events[0].connection).toBe(connection)
  expect(() => service.events[0].listener).toThrow('EINVAL')
  expect(connection).toMatchObject({ state: 'open', remoteAddress: '192.168.1.2', remotePort: 4000, mss: 1448, rxAvailable: 0 })
})

test('connect: refused -> CONN_OPEN with status, nothing after', () => {
  const service = new FakeService()
  const connection = service.context.connect('192.168.1.2', 4000)
  service.context.flush()
  service.failed(EV_CONN_OPEN, service.request(REQ_CONN_OPEN)[AS_HANDLE], ECONNREFUSED)
  expect(service.poll()).toEqual(['CONN_OPEN ECONNREFUSED'])
  expect(connection.state).toBe('closed')
  expect(connection.txAlloc(5)).toBe(0)
  connection.close()
  service.context.flush()
  expect(service.requests()).toEqual([])
})

test('connect: closed while opening -> attempt ends, CONN_CLOSED', () => {
  const service = new FakeService()
  const connection = service.context.connect('192.168.1.2', 4000)
  connection.close()
  service.context.flush()
  const [open, close] = service.requests()
  expect(close[AS_FLOW]).toBe(-1)
  service.connectionClosed(open[AS_HANDLE], service.makeFlow())
  expect(service.poll()).toEqual(['CONN_CLOSED'])
})

test('connect: bad arguments -> EINVAL', () => {
  const { context } = new FakeService()
  for (const connect of [
    () => context.connect('192.168.1.2', 0), () => context.connect('nowhere', 80), () => context.connect(2 ** 32, 80),
    () => context.connect('1.2.3.4', 80, { localPort: 70000 }),
  ]) expect(connect).toThrow('EINVAL')
})

test('open: use before -> ENOTCONN', () => {
  const { context } = new FakeService()
  const connection = context.connect('192.168.1.2', 80)
  expect(() => connection.txAlloc(1)).toThrow('ENOTCONN')
  expect(() => connection.rxDone(0)).toThrow('ENOTCONN')
  expect(() => connection.txClose()).toThrow('ENOTCONN')
  expect(() => connection.move(context)).toThrow('ENOTCONN')
})

test('close: nothing unread -> FIN behind the data, then the request, then CONN_CLOSED only', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  connection.write(Buffer.from('bye'))
  connection.close()
  connection.close()
  expect(() => connection.txSend(0)).toThrow('EBADF')
  service.context.flush()
  expect(service.bumps()).toEqual([{
    flow: flow.flow, gen: flow.gen, flags: BUMP_FIN | BUMP_RX_SHUT, rcvRead: flow.rxBase, sndEnd: (flow.txBase + 3) | 0,
  }])
  const entry = service.request(REQ_CONN_CLOSE)
  expect([entry[AS_FLOW], entry[AS_GEN_WORKER], entry[AS_FLAGS]]).toEqual([flow.flow, flow.gen, 0])
  service.receive(flow, 'late', EVENT_RX_CLOSED | EVENT_TX_CLOSED)
  expect(service.poll()).toEqual([])
  service.connectionClosed(connection.handle, flow)
  expect(service.poll()).toEqual(['CONN_CLOSED'])
  expect(service.events[0]).toMatchObject({ type: CONN_CLOSED, status: 0 })
  expect(() => connection.txAlloc(1)).toThrow('EBADF')
})

test('close: unread bytes -> reset (RFC 2525, 2.17)', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  service.receive(flow, 'unread')
  service.poll()
  connection.close()
  service.context.flush()
  expect(service.request(REQ_CONN_CLOSE)[AS_FLAGS]).toBe(CLOSE_ABORT)
  expect(service.bumps()).toEqual([])
})

test('abort: -> reset request at once', () => {
  const service = new FakeService()
  const { connection } = service.connect()
  connection.abort()
  service.context.flush()
  expect(service.request(REQ_CONN_CLOSE)[AS_FLAGS]).toBe(CLOSE_ABORT)
})

test('close: bump ring full -> request waits until the FIN is out', () => {
  const service = new FakeService({ fastEntries: 4 })
  const { connection } = service.connect()
  for (let i = 0; i < 4; i++) {
    connection.write(Buffer.from('x'))
    service.context.flush()
  }
  connection.close()
  service.context.flush()
  expect(service.requests()).toEqual([])
  expect(service.bumps()).toHaveLength(4)
  service.context.flush()
  expect(service.bumps()[0].flags).toBe(BUMP_FIN | BUMP_RX_SHUT)
  expect(service.request(REQ_CONN_CLOSE)[AS_FLAGS]).toBe(0)
})

test('reset: data that came before -> delivered first, then CONN_CLOSED with ECONNRESET', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  service.receive(flow, 'last words')
  service.connectionClosed(connection.handle, flow, ECONNRESET)
  expect(service.poll()).toEqual(['CONN_RECEIVED last words', 'CONN_CLOSED ECONNRESET'])
  connection.rxDone(10)
  expect(connection.rxAvailable).toBe(0)
  expect(connection.txAlloc(10)).toBe(0)
  expect(connection.write(Buffer.from('x'))).toBe(0)
  connection.txSend(3)
  connection.close()
  service.context.flush()
  expect(service.bumps()).toEqual([])
  expect(service.requests()).toEqual([])
})

test('reset: one event at a time -> same order', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  service.receive(flow, 'abc', EVENT_RX_CLOSED)
  service.connectionClosed(connection.handle, flow, ETIMEDOUT)
  const seen: string[] = []
  for (let i = 0; i < 6; i++) seen.push(...service.poll(service.context, 1))
  expect(seen).toEqual(['CONN_RECEIVED abc', 'CONN_RXCLOSED', 'CONN_CLOSED ETIMEDOUT'])
})

test('reset: flow used again in the same batch -> each gets its own data', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  const next = service.context.connect('192.168.1.2', 4000)
  service.context.flush()
  const handle = service.request(REQ_CONN_OPEN)[AS_HANDLE]
  const reused = service.makeFlow({ flow: flow.flow, gen: flow.gen + 1 })
  service.receive(flow, 'old')
  service.connectionClosed(connection.handle, flow, ECONNRESET)
  service.connectionOpen(handle, reused)
  service.receive(reused, 'new')
  expect(service.poll().sort()).toEqual(['CONN_CLOSED ECONNRESET', 'CONN_OPEN', 'CONN_RECEIVED new', 'CONN_RECEIVED old'])
  expect(next.rxAvailable).toBe(3)
})

test('handles: used again -> late messages for the former one are ignored', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  service.connectionClosed(connection.handle, flow, ECONNRESET)
  service.poll()
  service.poll()
  const { connection: second } = service.connect()
  expect(second.handle & 0xfffff).toBe(connection.handle & 0xfffff)
  service.connectionClosed(connection.handle, flow, ECONNRESET)
  expect(service.poll()).toEqual([])
  expect(second.state).toBe('open')
})
