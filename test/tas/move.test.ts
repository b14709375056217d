import { constants } from 'node:os'
import { expect, test } from 'vitest'
import {
  AS_CONTEXT, AS_FLOW, AS_GEN_WORKER, AS_HANDLE, AS_TYPE, AS_VALUE, EV_CONN_URGENT, REQ_CONN_CLOSE, REQ_CONN_MOVE,
} from '../../lib/memif/index.js'
import { CONN_MOVED } from '../../lib/tas/index.js'
import { FakeService } from './fakeservice.js'

function moving() {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  const other = service.tas.createContext()
  return { service, connection, flow, other }
}

test('move: -> request behind the positions, CONN_MOVED and all events at the new context', () => {
  const { service, connection, flow, other } = moving()
  connection.write(Buffer.from('before'))
  connection.move(other)
  service.context.flush()
  expect(service.bumps()).toHaveLength(1)
  const entry = service.request(REQ_CONN_MOVE)
  expect([entry[AS_HANDLE], entry[AS_CONTEXT]]).toEqual([connection.handle, other.id])
  service.moved(connection.handle, flow, 0, other.id)
  service.receive(flow, 'after', 0, other.id)
  expect(service.poll(other)).toEqual(['CONN_MOVED', 'CONN_RECEIVED after'])
  expect(service.events[0]).toMatchObject({ type: CONN_MOVED, status: 0 })
  expect(connection.context).toBe(other)
  expect(service.poll()).toEqual([])
})

test('move: data that the old context was told meanwhile -> reported at the new one', () => {
  const { service, connection, flow, other } = moving()
  connection.move(other)
  service.receive(flow, 'meanwhile')
  expect(service.poll()).toEqual([])
  service.moved(connection.handle, flow, 0, other.id)
  expect(service.poll(other)).toEqual(['CONN_MOVED', 'CONN_RECEIVED meanwhile'])
})

test('move: urgent data announced meanwhile -> CONN_URGENT at the new one, before the data', () => {
  const { service, connection, flow, other } = moving()
  connection.move(other)
  service.tell({
    [AS_TYPE]: EV_CONN_URGENT, [AS_HANDLE]: connection.handle, [AS_FLOW]: flow.flow, [AS_GEN_WORKER]: flow.gen, [AS_VALUE]: (flow.rxBase + 6) | 0,
  })
  expect(service.poll()).toEqual([])
  service.moved(connection.handle, flow, 0, other.id)
  service.receive(flow, 'urgent and more', 0, other.id)
  expect(service.poll(other)).toEqual(['CONN_MOVED', 'CONN_URGENT', 'CONN_RECEIVED urgent and more'])
  expect(connection.rxUrgent).toBe(6)
})

test('move: sent meanwhile -> handed over by the new context after CONN_MOVED', () => {
  const { service, connection, flow, other } = moving()
  connection.move(other)
  service.context.flush()
  service.bumps()
  connection.write(Buffer.from('held'))
  service.context.flush()
  expect(service.bumps()).toEqual([])
  service.moved(connection.handle, flow, 0, other.id)
  service.poll(other)
  other.flush()
  expect(service.bumps(0, other.id)).toMatchObject([{ sndEnd: (flow.txBase + 4) | 0 }])
  expect(service.bumps()).toEqual([])
})

test('move: fails -> CONN_MOVED with status, connection and its data stay', () => {
  const { service, connection, flow, other } = moving()
  connection.move(other)
  service.receive(flow, 'meanwhile')
  service.poll()
  service.moved(connection.handle, flow, constants.errno.EINVAL, other.id)
  expect(service.poll(other)).toEqual(['CONN_MOVED EINVAL'])
  expect(service.poll()).toEqual(['CONN_RECEIVED meanwhile'])
  expect(connection.context).toBe(service.context)
})

test('move: closed meanwhile -> close request after CONN_MOVED', () => {
  const { service, connection, flow, other } = moving()
  connection.move(other)
  service.context.flush()
  service.requests()
  connection.close()
  service.context.flush()
  expect(service.requests()).toEqual([])
  service.moved(connection.handle, flow, 0, other.id)
  expect(service.poll(other)).toEqual([])
  other.flush()
  expect(service.request(REQ_CONN_CLOSE, other.id)[AS_TYPE]).toBe(REQ_CONN_CLOSE)
  service.connectionClosed(connection.handle, flow, 0, other.id)
  expect(service.poll(other)).toEqual(['CONN_CLOSED'])
})

test('move: reset meanwhile -> CONN_CLOSED where it arrives', () => {
  const { service, connection, flow, other } = moving()
  connection.move(other)
  service.context.flush()
  service.connectionClosed(connection.handle, flow, constants.errno.ECONNRESET, other.id)
  expect(service.poll(other)).toEqual(['CONN_CLOSED ECONNRESET'])
  service.moved(connection.handle, flow, constants.errno.ENOENT, other.id)
  expect(service.poll(other)).toEqual([])
})

test('move: to the same context, to another Tas, twice -> TasError', () => {
  const { service, connection, other } = moving()
  expect(() => connection.move(service.context)).toThrow('EINVAL')
  expect(() => connection.move(new FakeService().context)).toThrow('EXDEV')
  connection.move(other)
  expect(() => connection.move(other)).toThrow('EALREADY')
})
