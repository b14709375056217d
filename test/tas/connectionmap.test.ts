import { constants } from 'node:os'
import { describe, expect, it } from 'vitest'
import { placeOfHandle } from '../../lib/tas/handles.js'
import { ConnectionMap } from '../../lib/tas/index.js'
import { FakeService } from './fakeservice.js'

function connections(count: number): ReturnType<FakeService['context']['connect']>[] {
  const { context } = new FakeService()
  return Array.from({ length: count }, () => context.connect('192.168.1.2', 4000))
}

describe('ConnectionMap', () => {
  it('set: several connections -> each has its own value', () => {
    const map = new ConnectionMap<string | null>()
    const [first, second, third] = connections(3)
    map.set(third, 'third')
    map.set(first, null)
    expect([first, second, third].map((connection) => map.get(connection))).toEqual([null, undefined, 'third'])
    expect([...map.keys()]).toEqual([first, third])
    expect(map.size).toBe(2)
  })

  it('set: again -> the later value, and one entry', () => {
    const map = new ConnectionMap<string>()
    const [connection] = connections(1)
    map.set(connection, 'before')
    map.set(connection, 'after')
    expect(map.get(connection)).toBe('after')
    expect(map.size).toBe(1)
  })

  it('delete: an entry, twice -> gone, then nothing to delete', () => {
    const map = new ConnectionMap<string>()
    const [connection] = connections(1)
    map.set(connection, 'value')
    expect(map.delete(connection)).toBe(true)
    expect(map.delete(connection)).toBe(false)
    expect(map.get(connection)).toBeUndefined()
    expect(map.size).toBe(0)
  })

  it('get, delete: a connection whose place another one has -> nothing, and the other stays', () => {
    const service = new FakeService()
    const map = new ConnectionMap<string>()
    const former = service.context.connect('192.168.1.2', 4000)
    service.context.tas.connections.remove(former.handle)
    const present = service.context.connect('192.168.1.2', 4000)
    expect(present.handle).not.toBe(former.handle)
    map.set(present, 'present')
    expect(map.get(former)).toBeUndefined()
    expect(map.delete(former)).toBe(false)
    expect(map.get(present)).toBe('present')
  })

  it('keys: entries deleted meanwhile -> all are met once', () => {
    const map = new ConnectionMap<number>()
    const all = connections(5)
    all.forEach((connection, index) => map.set(connection, index))
    const met: unknown[] = []
    for (const connection of map.keys()) {
      met.push(connection)
      map.delete(connection)
    }
    expect(met).toEqual(all)
    expect(map.size).toBe(0)
  })

  it('set: opened in a handler while another ends in the same batch -> both have their entries until its CONN_CLOSED is taken', () => {
    const service = new FakeService()
    const map = new ConnectionMap<string>()
    const [first, second] = [service.connect(), service.connect()]
    map.set(first.connection, 'first')
    map.set(second.connection, 'second')
    service.receive(first.flow, 'data')
    service.connectionClosed(second.connection.handle, second.flow, constants.errno.ECONNRESET)
    expect(service.poll()).toEqual(['CONN_RECEIVED data', 'CONN_CLOSED ECONNRESET'])
    const opened = service.context.connect('192.168.1.2', 4000)
    map.set(opened, 'opened')
    expect([first.connection, second.connection, opened].map((connection) => map.get(connection))).toEqual(['first', 'second', 'opened'])
    map.delete(second.connection)
    service.poll()
    expect(placeOfHandle(service.context.connect('192.168.1.2', 4000).handle)).toBe(placeOfHandle(second.connection.handle))
  })
})
