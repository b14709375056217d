/** Contexts that are given up, and what outlives them. */
import { expect, test } from 'vitest'
import {
  AS_CONTEXT, AS_FLAGS, AS_FLOW, AS_GEN_WORKER, AS_HANDLE, AS_LISTENER, AS_LOCAL_IP, AS_PORTS, AS_TYPE, BUMP_FIN, BUMP_RX_SHUT, MOVE_LET_GO, REQ_CONN_CLOSE,
  REQ_CONN_MOVE, REQ_LISTEN_ACCEPT,
} from '../../lib/memif/index.js'
import { FakeService, LOCAL_IP } from './fakeservice.js'

test('close: -> FIN and request are handed over, then the id is given back, once; nothing can be done with it', () => {
  const service = new FakeService()
  const { connection } = service.connect()
  connection.write(Buffer.from('last'))
  service.context.close()
  service.context.close()
  expect([service.bumps().map(({ flags }) => flags), service.removed]).toEqual([[BUMP_FIN | BUMP_RX_SHUT], [0]])
  expect(service.request(REQ_CONN_CLOSE)[AS_HANDLE]).toBe(connection.handle)
  expect(() => service.context.listen(80)).toThrow('EBADF')
  expect(() => service.context.poll(service.events)).toThrow('EBADF')
})

test('close: rings are full and the other side reads on -> everything is handed over before the id is given back', () => {
  const service = new FakeService({ fastEntries: 4, slowEntries: 4 })
  const opened = Array.from({ length: 10 }, () => {
    const { connection, flow } = service.connect()
    service.receive(flow, '!')
    service.poll()
    connection.rxDone(1)
    service.context.flush()
    service.bumps()
    return connection
  })
  const seen: { fins: number; closes: number; removed: number }[] = []
  const count = (): void => {
    seen.push({
      fins: service.bumps().filter(({ flags }) => (flags & BUMP_FIN) !== 0).length,
      closes: service.requests().filter((entry) => entry[AS_TYPE] === REQ_CONN_CLOSE).length, removed: service.removed.length,
    })
  }
  service.link.yieldCpu = () => {
    count()
    return 0
  }
  service.context.close()
  count()
  expect(seen.reduce((sum, { fins }) => sum + fins, 0)).toBe(opened.length)
  expect(seen.reduce((sum, { closes }) => sum + closes, 0)).toBe(opened.length)
  expect(seen.map(({ removed }) => removed)).toEqual([...seen.slice(1).map(() => 0), 1])
  expect(seen.length).toBeGreaterThan(2)
})

test('close: rings are full and nobody reads -> it returns all the same', () => {
  const service = new FakeService({ fastEntries: 2, slowEntries: 2 })
  for (let i = 0; i < 5; i++) service.connect()
  service.context.close()
  expect(service.removed).toEqual([0])
})

test('close: connections and listeners were its -> their handles are free again; one on its way to another context keeps its own', () => {
  const service = new FakeService()
  const { connection: leaving } = service.connect()
  service.connect()
  service.listen()
  const target = service.tas.createContext()
  leaving.move(target)
  service.context.flush()
  service.context.close()
  const handles: unknown[] = []
  service.tas.connections.forEach(({ handle }) => handles.push(handle))
  service.tas.listeners.forEach(({ handle }) => handles.push(handle))
  expect(handles).toEqual([leaving.handle])
})

test('release: -> the service hears at once that the connection outlives its context', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  const handed = connection.release()
  const entry = service.request(REQ_CONN_MOVE)
  expect([entry[AS_HANDLE], entry[AS_FLOW], entry[AS_GEN_WORKER], entry[AS_FLAGS]]).toEqual([handed.handle, flow.flow, flow.gen, MOVE_LET_GO])
  service.context.close()
  expect(service.requests()).toEqual([])
})

test('move: to a context that is closed -> EBADF; closed before the request is out -> asked for while it is there', () => {
  const service = new FakeService()
  const { connection } = service.connect()
  const [closed, target] = [service.tas.createContext(), service.tas.createContext()]
  closed.close()
  expect(() => connection.move(closed)).toThrow('EBADF')
  connection.move(target)
  const asked: number[] = []
  service.removeContext = () => void asked.push(...service.requests().map((entry) => entry[AS_CONTEXT]))
  target.close()
  expect(asked).toEqual([target.id])
})

test('listener of another thread: accept -> names its address, since context and handle may be another\'s by then', () => {
  const service = new FakeService()
  const joined = service.context.joinListener({ application: service.link.application, context: 3, handle: 77, ip: LOCAL_IP, port: 8080 })
  joined.accept()
  service.context.flush()
  const entry = service.request(REQ_LISTEN_ACCEPT)
  expect([AS_LISTENER, AS_CONTEXT, AS_LOCAL_IP, AS_PORTS].map((word) => entry[word])).toEqual([77, 4, LOCAL_IP, 8080])
})
