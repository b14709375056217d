/** A connection's buffers are exchanged while the program uses them. */
import { expect, test } from 'vitest'
import {
  AS_FLOW, AS_GEN_WORKER, AS_HANDLE, AS_SIZES, AS_TX_BUFFER, AS_TYPE, BUFFER_UNIT_BYTES, EV_CONN_TX_BUFFER,
} from '../../lib/memif/index.js'
import { FakeService, type FakeFlow } from './fakeservice.js'

/** Bytes 2 MiB into the region: nobody's. */
const FREE = 2 << 20

/** From here on the flow receives into another buffer, as a worker would have it. */
function moveReceive(flow: FakeFlow, start: number, rxLog2: number): FakeFlow {
  return { ...flow, start, rxLog2, rxBase: flow.rcvEnd }
}

function grant(service: FakeService, handle: number, flow: FakeFlow, log2: number, context = 0): void {
  service.tell({
    [AS_TYPE]: EV_CONN_TX_BUFFER, [AS_HANDLE]: handle, [AS_FLOW]: flow.flow, [AS_GEN_WORKER]: flow.gen,
    [AS_TX_BUFFER]: FREE / BUFFER_UNIT_BYTES, [AS_SIZES]: log2 << 8,
  }, context)
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

test('receive: a new buffer -> what is unread is in both, views of the old one stay good', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  service.receive(flow, 'x'.repeat(50))
  service.poll()
  connection.rxDone(50)
  service.receive(flow, 'old and wrapped around')
  service.poll()
  const [first, second] = [service.events[0].bytes, service.events[0].bytes2]
  const later = moveReceive(flow, FREE, 8)
  service.receive(later, ' new')
  expect(service.poll()).toEqual(['CONN_RECEIVED  new'])
  expect(text(first) + text(second)).toBe('old and wrapped around')
  expect(connection.rxBuffer).toHaveLength(256)
  const all = Array.from({ length: connection.rxAvailable }, (_, i) => connection.rxBuffer[(connection.rxOffset + i) & 255])
  expect(text(Uint8Array.from(all))).toBe('old and wrapped around new')
})

test('receive: a new buffer, bytes of the old one not yet reported -> reported in order', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  service.fill(flow, Buffer.from('unreported '))
  const later = moveReceive(flow, FREE, 8)
  service.receive(later, 'new')
  expect(service.poll()).toEqual(['CONN_RECEIVED unreported new'])
  connection.rxDone(14)
  expect(connection.rxAvailable).toBe(0)
})

test('receive: an older report with the buffer of then -> changes nothing', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  const old = { ...flow }
  const later = moveReceive(flow, FREE, 8)
  service.receive(later, 'new')
  service.report(old)
  expect(service.poll()).toEqual(['CONN_RECEIVED new'])
  expect(connection.rxBuffer).toHaveLength(256)
})

test('transmit: another buffer is granted -> what is not acknowledged is copied, the bump names it, and there is room', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  connection.write(Buffer.from('a'.repeat(40)))
  flow.sndUna = (flow.sndUna + 40) | 0
  service.report(flow)
  service.poll()
  expect(connection.write(Buffer.from('b'.repeat(70)))).toBe(64)
  service.context.flush()
  service.bumps()
  grant(service, connection.handle, flow, 8)
  expect(service.poll()).toEqual(['CONN_SENDBUF'])
  service.context.flush()
  expect(service.bumps()).toMatchObject([{ txBuffer: FREE / BUFFER_UNIT_BYTES, sndEnd: (flow.txBase + 104) | 0 }])
  expect(connection.txFree).toBe(256 - 64)
  connection.write(Buffer.from('c'.repeat(100)))
  const at = (seq: number): number => FREE + (seq & 255)
  expect(String.fromCharCode(service.bytes[at(40)], service.bytes[at(103)], service.bytes[at(104)], service.bytes[at(203)])).toBe('bbcc')
})

test('transmit: granted while an allocation is not sent -> changed to with the next allocation after it', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  connection.txAlloc(4)
  connection.txBuffer.set(Buffer.from('here'), connection.txOffset)
  grant(service, connection.handle, flow, 8)
  service.poll()
  expect(connection.txBuffer).toHaveLength(64)
  connection.txSend(4)
  connection.write(Buffer.from(' there'))
  expect(connection.txBuffer).toHaveLength(256)
  service.context.flush()
  expect(service.bumps()).toMatchObject([{ txBuffer: FREE / BUFFER_UNIT_BYTES, sndEnd: (flow.txBase + 10) | 0 }])
  expect(text(service.bytes.subarray(FREE, FREE + 10))).toBe('here there')
})

test('transmit: a smaller one than holds what is not acknowledged -> changed to once it does', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect({ txLog2: 8 })
  connection.write(Buffer.alloc(200, 1))
  grant(service, connection.handle, flow, 6)
  service.poll()
  expect(connection.txBuffer).toHaveLength(256)
  flow.sndUna = (flow.sndUna + 200) | 0
  service.report(flow)
  service.poll()
  connection.write(Buffer.from('x'))
  expect(connection.txBuffer).toHaveLength(64)
})

test('transmit: granted after txClose, for another generation, for a closed connection -> ignored', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  grant(service, connection.handle, { ...flow, gen: 6 }, 8)
  grant(service, connection.handle + 1, flow, 8)
  service.poll()
  expect(connection.txBuffer).toHaveLength(64)
  connection.txClose()
  grant(service, connection.handle, flow, 8)
  service.poll()
  service.context.flush()
  expect(service.bumps()).toMatchObject([{ txBuffer: (flow.start + 64) / BUFFER_UNIT_BYTES }])
})

test('transmit: granted while the connection moves -> told by the context that has it then', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  const other = service.tas.createContext()
  connection.move(other)
  service.context.flush()
  service.bumps()
  grant(service, connection.handle, flow, 8)
  service.poll()
  service.moved(connection.handle, flow, 0, other.id)
  service.poll(other)
  other.flush()
  expect(service.bumps(0, other.id)).toMatchObject([{ txBuffer: FREE / BUFFER_UNIT_BYTES }])
})

test('transmit: a new buffer while the program sleeps in the event loop -> the worker is told at once, though no event comes of it', async () => {
  const service = new FakeService({ pollIntervalUs: 0 })
  const { connection, flow } = service.connect()
  service.context.attach(() => { throw new Error('no event was to come') })
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(service.bumps()).toEqual([])
  grant(service, connection.handle, flow, 8)
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(service.bumps().map((bump) => Reflect.get(bump, 'txBuffer') as number)).toEqual([FREE / BUFFER_UNIT_BYTES])
  service.context.detach()
})
