import { expect, test, vi } from 'vitest'
import { AS_HANDLE, BUMP_FIN, BUMP_URGENT, BUMP_URGENT_SHIFT, doorbellWord, EVENT_RX_CLOSED, EVENT_TX_CLOSED, REQ_CONN_OPEN, RingConsumer } from '../../lib/memif/index.js'
import { CONN_RECEIVED, CONN_SENDBUF, type Connection } from '../../lib/tas/index.js'
import { FakeService, type FakeFlow } from './fakeservice.js'

/** A connection to whose receive buffer of 64 bytes 8 have come, of which the last 4 stand at its front. */
function acrossTheEnd(): { service: FakeService; connection: Connection; flow: FakeFlow } {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  service.receive(flow, 'x'.repeat(60))
  service.poll()
  connection.rxDone(60)
  service.receive(flow, 'abcdefgh')
  return { service, connection, flow }
}

test('receive: data -> one event, a view of the receive buffer', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  service.receive(flow, 'hello')
  expect(service.poll()).toEqual(['CONN_RECEIVED hello'])
  expect(service.events[0]).toMatchObject({ type: CONN_RECEIVED, offset: 0, length: 5, length2: 0, total: 5 })
  expect(service.events[0].buffer.buffer).toBe(service.region)
  expect(service.events[0].buffer).toHaveLength(64)
  expect(connection.rxAvailable).toBe(5)
})

test('receive: several reports before a poll -> one event', () => {
  const service = new FakeService()
  const { flow } = service.connect()
  service.receive(flow, 'one ')
  service.receive(flow, 'two')
  service.report(flow)
  expect(service.poll()).toEqual(['CONN_RECEIVED one two'])
  expect(service.poll()).toEqual([])
})

test('receive: across the end of the buffer and of sequence space -> two parts', () => {
  const { service, flow } = acrossTheEnd()
  expect(service.poll()).toEqual(['CONN_RECEIVED abcdefgh'])
  expect(service.events[0]).toMatchObject({ offset: 60, length: 4, length2: 4 })
  expect(service.bumps()).toEqual([{ flow: flow.flow, gen: 7, flags: 0, rcvRead: flow.rxBase + 60, sndEnd: flow.txBase }])
})

test('receive: FIN -> RXCLOSED after the data, once', () => {
  const service = new FakeService()
  const { flow } = service.connect()
  service.receive(flow, 'end', EVENT_RX_CLOSED)
  service.report(flow, EVENT_RX_CLOSED)
  expect(service.poll()).toEqual(['CONN_RECEIVED end', 'CONN_RXCLOSED'])
  expect(service.poll()).toEqual([])
})

test('rxDone: more than was reported -> EINVAL', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  service.receive(flow, 'abc')
  expect(() => connection.rxDone(1)).toThrow('EINVAL')
  service.poll()
  expect(() => connection.rxDone(4)).toThrow('EINVAL')
  expect(() => connection.rxDone(-1)).toThrow('EINVAL')
  connection.rxDone(3)
  expect(connection.rxAvailable).toBe(0)
})

test('peek: part of what came, across the end of the buffer -> copied to the place asked for, still there', () => {
  const { service, connection } = acrossTheEnd()
  service.poll()
  const target = Buffer.from('------------')
  expect(connection.peek(target, 2, 6)).toBe(6)
  expect(target.toString()).toBe('--abcdef----')
  expect(connection.peek(target)).toBe(8)
  expect(target.toString()).toBe('abcdefgh----')
  expect(connection.rxAvailable).toBe(8)
})

test('write: a range of bytes, across the end of the buffer -> that range is sent', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  connection.write(Buffer.alloc(60))
  service.poll()
  flow.sndUna = (flow.txBase + 50) | 0
  service.report(flow)
  service.poll()
  expect(connection.write(Buffer.from('--abcdefgh--'), 2, 8)).toBe(8)
  expect(service.sent(flow, (flow.txBase + 60) | 0, (flow.txBase + 68) | 0)).toBe('abcdefgh')
  expect(connection.write(Buffer.from('abcdefgh'), 6)).toBe(2)
  expect(service.sent(flow, (flow.txBase + 68) | 0, (flow.txBase + 70) | 0)).toBe('gh')
})

test.each([[-1, 1], [0, 9], [8, 1], [0, -1], [0.5, 1], [Number.NaN, 1], [0, Number.NaN]])('peek, write: %d and %d of 8 bytes -> EINVAL', (from, len) => {
  const { connection } = new FakeService().connect()
  expect(() => connection.write(new Uint8Array(8), from, len)).toThrow('EINVAL')
  expect(() => connection.peek(new Uint8Array(8), from, len)).toThrow('EINVAL')
})

test('send: rxDone, txAlloc, txSend -> one entry for all, at the next flush', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  service.receive(flow, 'ping')
  service.poll()
  connection.rxDone(4)
  expect(connection.txAlloc(4)).toBe(4)
  connection.txBuffer.set(Buffer.from('pong'), connection.txOffset)
  connection.txSend(2)
  connection.txSend(2)
  expect(service.bumps()).toEqual([])
  service.context.flush()
  const sndEnd = (flow.txBase + 4) | 0
  expect(service.bumps()).toEqual([{ flow: flow.flow, gen: 7, flags: 0, rcvRead: flow.rxBase + 4, sndEnd }])
  expect(service.sent(flow, flow.txBase, sndEnd)).toBe('pong')
})

test('txAlloc: at the end of the buffer -> short, the rest at the next call', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  connection.write(Buffer.alloc(60))
  flow.sndUna = (flow.txBase + 60) | 0
  service.report(flow)
  expect(service.poll()).toEqual([])
  expect(connection.txAlloc(10)).toBe(4)
  expect(connection).toMatchObject({ txOffset: 60, txLength: 4, txLength2: 0 })
  expect(connection.txAlloc(6)).toBe(6)
  expect(connection.txOffset).toBe(0)
  connection.txSend(10)
  expect(() => connection.txSend(1)).toThrow('EINVAL')
})

test('txAlloc2: across the end of the buffer -> two parts; write likewise', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  connection.write(Buffer.alloc(60))
  flow.sndUna = (flow.txBase + 60) | 0
  service.report(flow)
  service.poll()
  expect(connection.txAlloc2(10)).toBe(10)
  expect(connection).toMatchObject({ txOffset: 60, txLength: 4, txLength2: 6 })
  expect(() => connection.write(Buffer.from('x'))).toThrow('EINVAL')
  connection.txSend(10)
  expect(connection.write(Buffer.from('abc'))).toBe(3)
  expect(service.sent(flow, (flow.txBase + 70) | 0, (flow.txBase + 73) | 0)).toBe('abc')
})

test('txUrgent: every hand-over says how far from its end urgent data ends, until that is acknowledged', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  const urgent = (): number[] => {
    connection.context.flush()
    return service.bumps().map(({ flags }) => flags)
  }
  connection.write(Buffer.from('ab'))
  connection.txUrgent()
  expect(urgent()).toEqual([BUMP_URGENT])
  connection.write(Buffer.from('cde'))
  expect(urgent()).toEqual([BUMP_URGENT | (3 << BUMP_URGENT_SHIFT)])
  flow.sndUna = (flow.txBase + 2) | 0
  service.report(flow)
  service.poll()
  connection.write(Buffer.from('f'))
  expect(urgent()).toEqual([0])
})

test('txAlloc: bad length -> EINVAL; after txClose -> EPIPE', () => {
  const service = new FakeService()
  const { connection } = service.connect()
  expect(() => connection.txAlloc(-1)).toThrow('EINVAL')
  expect(() => connection.txAlloc(1.5)).toThrow('EINVAL')
  connection.txClose()
  connection.txClose()
  expect(() => connection.txAlloc(1)).toThrow('EPIPE')
  service.context.flush()
  expect(service.bumps()).toMatchObject([{ flags: BUMP_FIN }])
})

test('SENDBUF: only after an allocation came short, when a quarter is free', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  connection.write(Buffer.alloc(50))
  flow.sndUna = (flow.txBase + 10) | 0
  service.report(flow)
  expect(service.poll()).toEqual([])
  expect(connection.write(Buffer.alloc(100))).toBe(24)
  flow.sndUna = (flow.txBase + 20) | 0
  service.report(flow)
  expect(service.poll()).toEqual([])
  flow.sndUna = (flow.txBase + 40) | 0
  service.report(flow)
  expect(service.poll()).toEqual(['CONN_SENDBUF'])
  expect(service.events[0]).toMatchObject({ type: CONN_SENDBUF, length: 30 })
  flow.sndUna = (flow.txBase + 50) | 0
  service.report(flow)
  expect(service.poll()).toEqual([])
})

test('txClose: all acknowledged -> TXCLOSED once', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  connection.txClose()
  service.report(flow, EVENT_TX_CLOSED)
  service.report(flow, EVENT_TX_CLOSED)
  expect(service.poll()).toEqual(['CONN_TXCLOSED'])
  service.receive(flow, 'still receiving', EVENT_TX_CLOSED)
  expect(service.poll()).toEqual(['CONN_RECEIVED still receiving'])
})

test('bump ring: full -> txPossible false, retried at the next poll, then SENDBUF', () => {
  const service = new FakeService({ fastEntries: 2 })
  const { connection, flow } = service.connect()
  for (let i = 0; i < 3; i++) {
    connection.write(Buffer.from('x'))
    service.context.flush()
  }
  expect(connection.txPossible()).toBe(false)
  connection.write(Buffer.from('y'))
  expect(service.bumps()).toHaveLength(2)
  expect(service.poll()).toEqual(['CONN_SENDBUF'])
  expect(service.bumps()).toMatchObject([{ sndEnd: (flow.txBase + 4) | 0 }])
  expect(connection.txPossible()).toBe(true)
})

test('hold: parts -> handed over once, behind release', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  for (let i = 0; i < 31; i++) connection.write(Buffer.from('x'))
  service.context.hold()
  connection.write(Buffer.from('head'))
  connection.write(Buffer.from('body'))
  expect(service.bumps()).toEqual([])
  service.context.release(connection)
  expect(service.bumps()).toMatchObject([{ flow: flow.flow, sndEnd: (flow.txBase + 39) | 0 }])
})

test('hold, nothing sent -> release hands over nothing', () => {
  const service = new FakeService()
  const { connection } = service.connect()
  service.context.hold()
  service.context.release(connection)
  service.context.flush()
  expect(service.bumps()).toEqual([])
})

test('send: 32 sends -> handed over without a flush', () => {
  const service = new FakeService()
  const { connection } = service.connect()
  for (let i = 0; i < 31; i++) connection.write(Buffer.from('x'))
  expect(service.bumps()).toEqual([])
  connection.write(Buffer.from('x'))
  expect(service.bumps()).toHaveLength(1)
})

test('send: a slow program -> handed over as soon as that shows, after 8 sends', () => {
  const service = new FakeService()
  const { connection } = service.connect()
  const send = (times: number): number => {
    for (let i = 0; i < times; i++) {
      service.clockUs += 6
      connection.write(Buffer.from('x'))
    }
    return service.bumps().length
  }
  expect([send(7), send(1), send(7), send(1)]).toEqual([0, 1, 0, 1])
})

test('doorbells: rung only for sides that sleep', () => {
  const service = new FakeService()
  const { connection } = service.connect({ worker: 1 })
  connection.write(Buffer.from('x'))
  service.context.flush()
  expect(service.wakes.workers).toEqual([0, 0])
  service.doorbells[doorbellWord(0)] = service.doorbells[doorbellWord(1)] = 1
  connection.write(Buffer.from('x'))
  service.context.flush()
  expect(service.wakes.workers).toEqual([0, 1])
  expect(service.bumps(1)).toHaveLength(2)
})

test('worker event: flow whose opening lies behind a full array -> waits for the opening', () => {
  const service = new FakeService()
  const connection = service.context.connect('192.168.1.2', 4000)
  service.context.flush()
  const handle = service.request(REQ_CONN_OPEN)[AS_HANDLE]
  const flow = service.makeFlow()
  service.receive(flow, 'early')
  service.connectionOpen(handle, flow)
  expect(service.poll(service.context, 1)).toEqual(['CONN_OPEN'])
  expect(service.poll(service.context, 1)).toEqual(['CONN_RECEIVED early'])
  expect(connection.rxAvailable).toBe(5)
})

test('worker event: slow ring seen too late -> looked at once more before the event is judged', () => {
  const service = new FakeService()
  const connection = service.context.connect('192.168.1.2', 4000)
  service.context.flush()
  const handle = service.request(REQ_CONN_OPEN)[AS_HANDLE]
  const flow = service.makeFlow()
  service.connectionOpen(handle, flow)
  service.receive(flow, 'early')
  const peek = vi.spyOn(RingConsumer.prototype, 'peek').mockReturnValueOnce(-1)
  expect(service.poll()).toEqual(['CONN_OPEN', 'CONN_RECEIVED early'])
  peek.mockRestore()
  expect(connection.rxAvailable).toBe(5)
})

test('worker event: unknown flow or generation, wild numbers -> ignored', () => {
  const service = new FakeService()
  const { flow } = service.connect()
  service.report({ ...flow, gen: flow.gen + 1, rcvEnd: flow.rcvEnd + 5 })
  service.report({ ...flow, flow: 1_000_000, rcvEnd: flow.rcvEnd + 5 })
  service.report({ ...flow, flow: -5, rcvEnd: flow.rcvEnd + 5 })
  expect(service.poll()).toEqual([])
  service.receive(flow, 'fine')
  expect(service.poll()).toEqual(['CONN_RECEIVED fine'])
})

test('worker event: older than the last -> changes nothing', () => {
  const service = new FakeService()
  const { flow } = service.connect()
  const before = { ...flow }
  service.receive(flow, 'abc')
  service.report(before)
  expect(service.poll()).toEqual(['CONN_RECEIVED abc'])
})

test('poll: small array -> nothing lost, every connection in turn', () => {
  const service = new FakeService()
  const flows = Array.from({ length: 5 }, (_, i) => service.connect({ worker: i & 1 }).flow)
  for (const flow of flows) service.receive(flow, `data ${flow.flow}`)
  const seen: string[] = []
  for (let i = 0; i < 5; i++) seen.push(...service.poll(service.context, 1))
  expect(seen.sort()).toEqual(flows.map((flow) => `CONN_RECEIVED data ${flow.flow}`))
  expect(service.poll()).toEqual([])
})

test('receive: the worker has gone back to the front of the empty buffer -> data is found there', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  service.receive(flow, 'x'.repeat(20))
  service.poll()
  connection.rxDone(20)
  flow.rxBase = flow.rcvEnd
  service.receive(flow, 'front')
  expect(service.poll()).toEqual(['CONN_RECEIVED front'])
  expect(service.events[0]).toMatchObject({ offset: 0, length: 5, length2: 0 })
})

test('txAlloc: everything acknowledged and far from the front -> starts at the front again, the worker is told', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect({ txLog2: 13 })
  connection.write(new Uint8Array(5000))
  service.context.flush()
  service.bumps()
  connection.txAlloc(10)
  expect(connection.txOffset).toBe(5000)
  connection.txSend(10)
  flow.sndUna = (flow.txBase + 5010) | 0
  service.report(flow)
  service.poll()
  connection.txAlloc(4)
  expect(connection.txOffset).toBe(0)
  connection.txBuffer.set(Buffer.from('anew'), 0)
  connection.txSend(4)
  service.context.flush()
  service.bumps()
  expect(service.sent(flow, (flow.txBase + 5010) | 0, (flow.txBase + 5014) | 0)).toBe('anew')
})
