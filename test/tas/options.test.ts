import { constants } from 'node:os'
import { expect, test } from 'vitest'
import {
  AS_FLAGS, AS_FLOW, AS_GEN_WORKER, AS_HANDLE, AS_OPTION, AS_PART, AS_STATUS, AS_TYPE, AS_VALUE, CLOSE_ABORT, CLOSE_LINGER,
  EV_CONN_INFO, EV_CONN_OPTION, INFO_ECN, INFO_NAMES, INFO_PART_WORDS, INFO_PARTS, INFO_TIMESTAMPS, OPTION_CONGESTION,
  OPTION_KEEP_ALIVE, OPTION_NO_DELAY, OPTION_RX_LIMIT, OPTION_TOS, OPTION_TX_LIMIT, OPTION_USER_TIMEOUT, REQ_CONN_CLOSE, REQ_CONN_INFO,
  REQ_CONN_OPEN, REQ_CONN_OPTION, REQ_LISTEN_ACCEPT, REQ_LISTEN_OPEN, TCP_STATES, type InfoValues,
} from '../../lib/memif/index.js'
import { CONN_INFO, CONN_OPTION, type Connection, type ConnectionOptions } from '../../lib/tas/index.js'
import { type FakeFlow, FakeService } from './fakeservice.js'

const { EHOSTUNREACH, EINVAL, ECONNRESET, ENOTCONN } = constants.errno

/** Type, option and values of requests. */
const described = (entries: readonly Int32Array[]): number[][] => entries.map((entry) => entry[AS_TYPE] === REQ_CONN_OPTION
  ? [REQ_CONN_OPTION, entry[AS_FLOW], entry[AS_OPTION], ...entry.subarray(AS_VALUE, AS_VALUE + 3)] : [entry[AS_TYPE]])

function tellInfo(service: FakeService, connection: Connection, flow: FakeFlow, values: Partial<InfoValues>): void {
  const words = INFO_NAMES.map((name) => values[name] ?? 0)
  for (let part = 0; part < INFO_PARTS; part++) {
    service.tell({
      [AS_TYPE]: EV_CONN_INFO, [AS_HANDLE]: connection.handle, [AS_FLOW]: flow.flow, [AS_GEN_WORKER]: flow.gen, [AS_PART]: part,
      ...Object.fromEntries(words.slice(part * INFO_PART_WORDS, (part + 1) * INFO_PART_WORDS).map((value, i) => [AS_VALUE + i, value])),
    })
  }
}

const ALL: ConnectionOptions = {
  noDelay: false, keepAlive: { idleMs: 5000, count: 3 }, userTimeoutMs: 30_000, tos: 0xb8, rxLimitBytes: 65536, txLimitBytes: 0,
  congestionControl: 'cubic',
}
const ALL_WORDS = [
  [OPTION_NO_DELAY, 0, 0, 0], [OPTION_KEEP_ALIVE, 5000, 75_000, 3], [OPTION_USER_TIMEOUT, 30_000, 0, 0], [OPTION_TOS, 0xb8, 0, 0],
  [OPTION_RX_LIMIT, 65536, 0, 0], [OPTION_TX_LIMIT, 0, 0, 0], [OPTION_CONGESTION, 0, 0, 0],
].map((words) => [REQ_CONN_OPTION, -1, ...words])

test('connect, listen: options -> requests for the same handle just before the open request', () => {
  const service = new FakeService()
  const connection = service.context.connect('192.168.1.2', 80, ALL)
  service.context.flush()
  const requests = service.requests()
  expect(described(requests)).toEqual([...ALL_WORDS, [REQ_CONN_OPEN]])
  expect(new Set(requests.map((entry) => entry[AS_HANDLE]))).toEqual(new Set([connection.handle]))
  service.context.listen(80, ALL)
  service.context.flush()
  expect(described(service.requests())).toEqual([...ALL_WORDS, [REQ_LISTEN_OPEN]])
})

test('connect: no options, or undefined ones -> the open request alone', () => {
  const service = new FakeService()
  service.context.connect('192.168.1.2', 80, { localPort: 4 })
  service.context.flush()
  expect(described(service.requests())).toEqual([[REQ_CONN_OPEN]])
})

test('options: bad values -> EINVAL or ENOENT, nothing is sent, no handle is used up', () => {
  const service = new FakeService()
  const { connection } = service.connect()
  const bad: readonly [string, unknown][] = [
    ['noDelay', 1], ['keepAlive', 5], ['keepAlive', null], ['keepAlive', { idleMs: 999 }], ['keepAlive', { intervalMs: 1.5 }],
    ['keepAlive', { count: 128 }], ['keepAlive', { count: '3' }], ['userTimeoutMs', -1], ['userTimeoutMs', Number.NaN],
    ['userTimeoutMs', 2 ** 31], ['tos', 256], ['tos', 'EF'], ['rxLimitBytes', 100], ['txLimitBytes', 2 ** 31], ['nonsense', 1], ['', 1],
    ['congestionControl', 3],
  ]
  for (const [name, value] of bad) {
    expect(() => connection.setOption(name as 'tos', value as number), name).toThrow('EINVAL')
    if (name === 'nonsense' || name === '') continue
    expect(() => service.context.connect('192.168.1.2', 80, { [name]: value }), name).toThrow('EINVAL')
    expect(() => service.context.listen(80, { [name]: value }), name).toThrow('EINVAL')
  }
  expect(() => connection.setOption('congestionControl', 'vegas' as 'cubic')).toThrow(/ENOENT.*want cubic/)
  service.context.flush()
  expect(service.requests()).toEqual([])
})

test('setOption: open -> request of its flow; the answer -> CONN_OPTION with name and status', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  connection.setOption('keepAlive', true)
  connection.setOption('keepAlive', false)
  service.context.flush()
  expect(described(service.requests())).toEqual([
    [REQ_CONN_OPTION, flow.flow, OPTION_KEEP_ALIVE, 7_200_000, 75_000, 9], [REQ_CONN_OPTION, flow.flow, OPTION_KEEP_ALIVE, 0, 0, 0],
  ])
  for (const status of [0, EINVAL]) {
    service.tell({
      [AS_TYPE]: EV_CONN_OPTION, [AS_HANDLE]: connection.handle, [AS_FLOW]: flow.flow, [AS_GEN_WORKER]: flow.gen,
      [AS_OPTION]: OPTION_KEEP_ALIVE, [AS_STATUS]: status,
    })
  }
  expect(service.poll()).toEqual(['CONN_OPTION', 'CONN_OPTION EINVAL'])
  expect([service.events[0].type, service.events[0].option]).toEqual([CONN_OPTION, 'keepAlive'])
  expect(service.events[0].connection).toBe(connection)
})

test('setOption: before it is open -> kept, sent when it opens, the last value only', () => {
  const service = new FakeService()
  const listener = service.listen()
  const connection = listener.accept()
  connection.setOption('tos', 4)
  connection.setOption('noDelay', false)
  connection.setOption('tos', 8)
  const handle = service.acceptRequest()
  const flow = service.makeFlow()
  service.accepted(handle, listener.handle, flow)
  expect(service.poll()).toEqual(['LISTEN_ACCEPT'])
  service.context.flush()
  expect(described(service.requests())).toEqual([
    [REQ_CONN_OPTION, flow.flow, OPTION_TOS, 8, 0, 0], [REQ_CONN_OPTION, flow.flow, OPTION_NO_DELAY, 0, 0, 0],
  ])
  expect(described(service.requests())).not.toContainEqual([REQ_LISTEN_ACCEPT])
})

test('setOption: after close -> EBADF; after it ended by itself -> no effect', () => {
  const service = new FakeService()
  const { connection } = service.connect()
  connection.close()
  expect(() => connection.setOption('tos', 4)).toThrow('EBADF')
  service.context.flush()
  service.requests()
  const second = service.connect()
  service.connectionClosed(second.connection.handle, second.flow, ECONNRESET)
  service.poll()
  second.connection.setOption('tos', 4)
  service.context.flush()
  expect(service.requests()).toEqual([])
})

test('close: lingerMs -> flag and time; 0 -> reset; bad -> EINVAL; again -> the first counts', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  expect(() => connection.close({ lingerMs: -1 })).toThrow('EINVAL')
  connection.close({ lingerMs: 1500 })
  connection.close({ lingerMs: 9 })
  service.context.flush()
  const entry = service.request(REQ_CONN_CLOSE)
  expect([entry[AS_FLAGS], entry[AS_VALUE]]).toEqual([CLOSE_LINGER, 1500])
  service.connectionClosed(connection.handle, flow, constants.errno.ETIMEDOUT)
  expect(service.poll()).toEqual(['CONN_CLOSED ETIMEDOUT'])
  service.connect().connection.close({ lingerMs: 0 })
  service.context.flush()
  expect(service.request(REQ_CONN_CLOSE)[AS_FLAGS]).toBe(CLOSE_ABORT)
})

test('requestInfo: answer in parts -> one CONN_INFO with everything', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  connection.requestInfo()
  service.context.flush()
  expect(service.request(REQ_CONN_INFO)[AS_FLOW]).toBe(flow.flow)
  const values = {
    state: TCP_STATES.indexOf('CLOSE-WAIT'), flags: INFO_TIMESTAMPS | INFO_ECN, rttUs: 120, sentBytes: -1, softError: EHOSTUNREACH, tos: 4,
  }
  tellInfo(service, connection, flow, values)
  expect(service.poll()).toEqual(['CONN_INFO'])
  expect(service.events[0].info).toMatchObject({
    state: 'CLOSE-WAIT', timestamps: true, ecn: true, sack: false, noDelay: false, rttUs: 120, sentBytes: 0xffffffff,
    softError: 'EHOSTUNREACH', tos: 4, congestionControl: 'cubic',
  })
  tellInfo(service, connection, flow, values)
  expect(service.poll()).toEqual([])
  expect(() => service.events[1].info).toThrow('EINVAL')
})

test('info: promise and event asked for in turn -> each gets its answer', async () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  const first = connection.info()
  connection.requestInfo()
  const third = connection.info()
  for (const rttUs of [1, 2]) tellInfo(service, connection, flow, { rttUs })
  service.poll()
  expect([service.events[0].type, service.events[0].info.rttUs]).toEqual([CONN_INFO, 2])
  service.poll()
  tellInfo(service, connection, flow, { rttUs: 3 })
  expect(service.poll()).toEqual([])
  expect([(await first).rttUs, (await third).rttUs]).toEqual([1, 3])
})

test('info: refused, connection ended, closed or not open -> rejected with why', async () => {
  const service = new FakeService()
  await expect(service.context.connect('192.168.1.2', 80).info()).rejects.toThrow('ENOTCONN')
  service.context.flush()
  service.requests()
  const { connection, flow } = service.connect()
  const refused = connection.info()
  service.tell({ [AS_TYPE]: EV_CONN_INFO, [AS_HANDLE]: connection.handle, [AS_FLOW]: flow.flow, [AS_GEN_WORKER]: flow.gen, [AS_STATUS]: ENOTCONN })
  const ended = connection.info()
  service.poll()
  await expect(refused).rejects.toThrow('ENOTCONN')
  service.connectionClosed(connection.handle, flow, ECONNRESET)
  service.poll()
  await expect(ended).rejects.toThrow('ECONNRESET')
  await expect(connection.info()).rejects.toThrow('ECONNRESET')
  service.context.flush()
  service.requests()
  const other = service.connect()
  const closed = other.connection.info()
  other.connection.close()
  await expect(closed).rejects.toThrow('EBADF')
  tellInfo(service, other.connection, other.flow, {})
  expect(service.poll()).toEqual([])
})

test('info: hostile or late parts -> ignored', () => {
  const service = new FakeService()
  const { connection, flow } = service.connect()
  connection.requestInfo()
  const part = { [AS_TYPE]: EV_CONN_INFO, [AS_HANDLE]: connection.handle, [AS_FLOW]: flow.flow, [AS_GEN_WORKER]: flow.gen }
  for (const number of [-1, INFO_PARTS, 2 ** 31 - 1]) service.tell({ ...part, [AS_PART]: number })
  service.tell({ ...part, [AS_GEN_WORKER]: flow.gen + 1, [AS_PART]: INFO_PARTS - 1 })
  service.tell({ ...part, [AS_HANDLE]: 12345, [AS_PART]: INFO_PARTS - 1 })
  expect(service.poll()).toEqual([])
})
