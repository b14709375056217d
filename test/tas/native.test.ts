/** The library over real sockets, eventfds and shared memory; the service's answers wait in the socket beforehand. */
import { expect, test, vi } from 'vitest'
import {
  closeFd, createRegion, EventFd, NativeError, sendMessage, socketPair, TimerFd, unmapRegion,
} from '../../native/index.js'
import {
  AS_HANDLE, AS_STATUS, AS_TYPE, DOORBELL_PAGE_BYTES, encodeControl, EV_LISTEN_OPEN, LAYOUT_VERSION, placeContext, RingProducer,
  writeAppRegionHeader,
} from '../../lib/memif/index.js'
import { createEvents, LISTEN_CLOSED, LISTEN_OPEN, Tas } from '../../lib/tas/index.js'

const control = vi.hoisted(() => ({ fd: -1 }))
vi.mock('../../native/index.js', async (original) => ({
  ...await original<typeof import('../../native/index.js')>(),
  connectUnix: () => control.fd,
}))

const built = (() => {
  try {
    new EventFd().close()
    return true
  } catch (error) {
    if (error instanceof NativeError) return false
    throw error
  }
})()

const shape = { regionBytes: 4 << 20, workers: 1, kinBytes: 1024, koutBytes: 1024, fastEntries: 16 }

/** A service that has already granted `contextFd` as the context's bell. */
function serve(contextFd: number) {
  const [ours, theirs] = socketPair()
  control.fd = theirs
  const region = createRegion('tas-test', shape.regionBytes)
  const doorbells = createRegion('tas-test', DOORBELL_PAGE_BYTES)
  const bells = [new EventFd(), new EventFd()]
  const [ourLife, lifeFd] = socketPair()
  const words = new Int32Array(region.buffer)
  writeAppRegionHeader(words, shape)
  const hello = { op: 'welcome', version: LAYOUT_VERSION, app: 1, regionBytes: shape.regionBytes, workers: 1 } as const
  sendMessage(ours, encodeControl(hello), [region.fd, doorbells.fd, bells[0].fd, bells[1].fd])
  sendMessage(ours, encodeControl({ op: 'context', context: 0 }), [contextFd, lifeFd])
  const kin = new RingProducer(words, placeContext(shape, 0).kin)
  return {
    listenOpen(handle: number): void {
      const at = kin.reserve()
      words[at + AS_TYPE] = EV_LISTEN_OPEN
      words[at + AS_HANDLE] = handle
      words[at + AS_STATUS] = 0
      kin.push()
      kin.publish()
    },
    sleeping: () => Atomics.load(words, placeContext(shape, 0).sleepingWord) % 2 === 1,
    end: () => closeFd(ours),
    close(): void {
      for (const bell of bells) bell.close()
      closeFd(ourLife)
      closeFd(lifeFd)
      for (const made of [region, doorbells]) {
        closeFd(made.fd)
        unmapRegion(made.buffer)
      }
    },
  }
}

test.skipIf(!built)('block: sleeps without time-out until the bell rings, then until the service is gone', () => {
  const bell = new TimerFd()
  const service = serve(bell.fd)
  const tas = Tas.connect({ socket: 'unused' })
  const context = tas.createContext()
  const events = createEvents(4)
  const listener = context.listen(80)
  context.block(1_000)
  bell.arm(20_000)
  context.block()
  service.listenOpen(listener.handle)
  context.block()
  expect(context.poll(events)).toBe(1)
  expect(events[0]).toMatchObject({ type: LISTEN_OPEN, status: 0 })
  service.end()
  context.block()
  expect(context.poll(events)).toBe(1)
  expect(events[0]).toMatchObject({ type: LISTEN_CLOSED, code: 'ESERVICEGONE' })
  expect(() => context.block()).toThrow('ESERVICEGONE')
  tas.close()
  bell.close()
  service.close()
})

test.skipIf(!built)('attach: bell -> callback; service gone -> callback', async () => {
  const bell = new EventFd()
  const service = serve(bell.fd)
  const tas = Tas.connect({ socket: 'unused' })
  const context = tas.createContext()
  const listener = context.listen(80)
  const next = { resolve: (_type: number): void => {} }
  const wait = () => new Promise<number>((resolve) => { next.resolve = resolve })
  context.attach((event) => next.resolve(event.type))
  while (!service.sleeping()) await new Promise((resolve) => setImmediate(resolve))
  const opened = wait()
  service.listenOpen(listener.handle)
  bell.wake()
  expect(await opened).toBe(LISTEN_OPEN)
  while (!service.sleeping()) await new Promise((resolve) => setImmediate(resolve))
  const closed = wait()
  service.end()
  expect(await closed).toBe(LISTEN_CLOSED)
  tas.close()
  bell.close()
  service.close()
})
