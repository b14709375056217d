import { beforeEach, expect, test, vi } from 'vitest'
import { DOORBELL_PAGE_BYTES, LAYOUT_VERSION, writeAppRegionHeader } from '../../lib/memif/index.js'

/** What the fake native part was asked, and what it answers. */
const fake = vi.hoisted(() => ({
  connect: (_path: string): number => 3,
  answers: [] as ({ text: string; fds: number[] } | 'hangs' | 'ended' | 'signal')[],
  clockUs: 0,
  sent: [] as unknown[],
  closed: [] as number[],
  regionBytes: 0,
  region: new ArrayBuffer(0),
}))

vi.mock('../../native/index.js', () => ({
  connectUnix: (path: string) => fake.connect(path),
  sendMessage: (_fd: number, bytes: Uint8Array) => fake.sent.push(JSON.parse(Buffer.from(bytes).toString())) > 0,
  currentCpu: () => 0,
  waitReadable: (_fds: Int32Array, _count: number, timeoutUs: number) => {
    if (fake.answers[0] === 'signal') {
      fake.answers.shift()
      return 0
    }
    if (fake.answers.length > 0 && fake.answers[0] !== 'hangs') return 1
    fake.clockUs += timeoutUs
    return 0
  },
  receiveMessage: (_fd: number, bytes: Uint8Array) => {
    const answer = fake.answers.shift()
    if (answer === undefined || typeof answer === 'string') return { lenBytes: 0, fds: [] }
    return { lenBytes: new TextEncoder().encodeInto(answer.text, bytes).written, fds: answer.fds }
  },
  mapRegion: (fd: number, lenBytes: number) => (fd === 10 ? fake.region : new ArrayBuffer(lenBytes)),
  unmapRegion: () => {},
  closeFd: (fd: number) => { fake.closed.push(fd) },
  nowUs: () => fake.clockUs,
  yieldCpu: () => 0,
  EventFd: class { fd: number; constructor(fd: number) { this.fd = fd } wake() {} drain() {} close() { fake.closed.push(this.fd) } },
  FdWatcher: class { ref() {} unref() {} close() {} },
  LoopTurns: class { start() {} stop() {} ref() {} unref() {} close() {} },
  HeldFds: class { add() {} remove() {} drop() {} },
}))

const { Tas, TasError } = await import('../../lib/tas/index.js')

const shape = { regionBytes: 4 << 20, workers: 2, kinBytes: 1024, koutBytes: 1024, fastEntries: 16 }

function welcome(fields: object = {}, fds = [10, 11, 12, 13, 14]) {
  return { text: JSON.stringify({ op: 'welcome', version: LAYOUT_VERSION, app: 1, regionBytes: shape.regionBytes, workers: 2, ...fields }), fds }
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code })
}

beforeEach(() => {
  fake.connect = () => 3
  fake.answers = []
  fake.sent = []
  fake.closed = []
  fake.region = new ArrayBuffer(shape.regionBytes)
  writeAppRegionHeader(new Int32Array(fake.region), shape)
})

function failure(connect: () => unknown): InstanceType<typeof TasError> {
  try {
    connect()
  } catch (error) {
    if (error instanceof TasError) return error
    throw error
  }
  throw new Error('no error')
}

test('hello: welcome -> connected, region and doorbell page mapped; close -> all descriptors closed', () => {
  fake.answers = [welcome(), { text: '{"op":"context","context":0}', fds: [15, 16] }]
  const tas = Tas.connect({ socket: '/tmp/x', name: 'test' })
  const context = tas.createContext()
  expect(fake.sent).toEqual([{ op: 'hello', version: LAYOUT_VERSION, name: 'test' }, { op: 'context' }])
  expect(context).toMatchObject({ id: 0, fd: 15 })
  expect(fake.closed).toEqual([])
  tas.close()
  expect(fake.closed.sort()).toEqual([10, 11, 12, 13, 14, 15, 16, 3])
  expect(DOORBELL_PAGE_BYTES).toBe(4096)
})

test('share: another thread joins -> the same application without a hello; it ends with the last of them', () => {
  fake.answers = [welcome(), { text: '{"op":"context","context":0}', fds: [15, 16] }]
  const one = Tas.connect()
  const shared = structuredClone({ ...one.share(), lock: null })
  const other = Tas.join({ ...shared, lock: one.share().lock })
  expect([other.application, other.isShared, one.isShared]).toEqual([one.application, true, true])
  const context = other.createContext()
  expect(fake.sent).toEqual([{ op: 'hello', version: LAYOUT_VERSION, name: `pid ${process.pid}` }, { op: 'context' }])
  one.close()
  expect(fake.closed).toEqual([])
  context.close()
  other.close()
  expect(fake.closed.sort()).toEqual([10, 11, 12, 13, 14, 15, 16, 3])
  expect(failure(() => Tas.join({ ...shared, lock: new SharedArrayBuffer(8) })).code).toBe('EBADF')
})

test('share: another thread talks with the service -> what is readable then is not ours; the lock is not given back -> EBUSY', () => {
  fake.answers = [welcome()]
  const tas = Tas.connect()
  const lock = new Int32Array(tas.share().lock)
  fake.answers = ['ended']
  lock[0] = 1
  tas.link.look()
  expect([tas.gone, fake.answers.length]).toEqual([false, 1])
  vi.spyOn(Atomics, 'wait').mockReturnValue('timed-out')
  expect(failure(() => tas.createContext()).code).toBe('EBUSY')
  vi.restoreAllMocks()
  lock[0] = 0
  tas.link.look()
  expect([tas.gone, lock[0]]).toEqual([true, 0])
})

test('hello: socket -> option before TAS_SOCKET before the default', () => {
  const tried: string[] = []
  fake.connect = (path) => {
    tried.push(path)
    throw systemError('ENOENT')
  }
  vi.stubEnv('TAS_SOCKET', '/tmp/env')
  failure(() => Tas.connect({ socket: '/tmp/option' }))
  failure(() => Tas.connect())
  vi.stubEnv('TAS_SOCKET', undefined)
  failure(() => Tas.connect())
  vi.unstubAllEnvs()
  expect(tried).toEqual(['/tmp/option', '/tmp/env', '/run/tas.sock'])
})

test.each(['ENOENT', 'ECONNREFUSED'])('hello: nobody there (%s) -> ENOENT, message names socket and command', (code) => {
  fake.connect = () => { throw systemError(code) }
  const error = failure(() => Tas.connect({ socket: '/tmp/x' }))
  expect(error.code).toBe('ENOENT')
  expect(error.message).toMatch(/\/tmp\/x.*tas --ip-addr/)
})

test('hello: no answer -> ETIMEDOUT; hung up -> ESERVICEGONE; control socket closed', () => {
  fake.answers = ['hangs']
  expect(failure(() => Tas.connect()).code).toBe('ETIMEDOUT')
  fake.answers = ['ended']
  expect(failure(() => Tas.connect()).code).toBe('ESERVICEGONE')
  expect(fake.closed).toEqual([3, 3])
})

test('hello: signals while it waits -> it waits on for the answer', () => {
  fake.answers = ['signal', 'signal', welcome()]
  expect(() => Tas.connect().close()).not.toThrow()
  fake.answers = ['signal', 'hangs']
  expect(failure(() => Tas.connect()).code).toBe('ETIMEDOUT')
})

test('hello: refused -> the code and message of the service', () => {
  fake.answers = [{ text: '{"op":"error","code":"EUSERS","message":"too many applications"}', fds: [] }]
  const error = failure(() => Tas.connect())
  expect(error.code).toBe('EUSERS')
  expect(error.message).toContain('too many applications')
})

test('hello: other layout version -> EVERSION, descriptors closed', () => {
  fake.answers = [welcome({ version: LAYOUT_VERSION + 1 })]
  expect(failure(() => Tas.connect()).code).toBe('EVERSION')
  expect(fake.closed.sort()).toEqual([10, 11, 12, 13, 14, 3])
})

test('hello: region of another version -> EVERSION', () => {
  fake.region = new ArrayBuffer(shape.regionBytes)
  fake.answers = [welcome()]
  expect(failure(() => Tas.connect()).code).toBe('EVERSION')
})

test.each([
  ['no JSON', { text: 'hello', fds: [10] }], ['too few descriptors', welcome({}, [10, 11])], ['wild workers', welcome({ workers: 1e9 })],
  ['something else', { text: '{"op":"context"}', fds: [10] }],
])('hello: %s -> EPROTO, descriptors closed', (_what, answer) => {
  fake.answers = [answer]
  expect(failure(() => Tas.connect()).code).toBe('EPROTO')
  expect(fake.closed).toEqual([...answer.fds, 3])
})

test('native part not built -> its own error', () => {
  fake.connect = () => { throw systemError('ERR_NATIVE_NOT_BUILT') }
  expect(() => Tas.connect()).toThrow('ERR_NATIVE_NOT_BUILT')
})

test('service gone: empty polls -> noticed by looking at the control socket', () => {
  fake.answers = [welcome(), { text: '{"op":"context","context":0}', fds: [15, 16] }]
  const tas = Tas.connect()
  const context = tas.createContext()
  fake.answers = ['ended']
  for (let i = 0; i < 1024; i++) context.poll([])
  expect(tas.gone).toBe(true)
})
