import { PerformanceObserver } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import {
  AS_HANDLE, BUFFER_UNIT_BYTES, BUMP_SND_END, EV_CONN_OPEN, EVENT_FLAGS, EVENT_FLOW, EVENT_GEN, EVENT_RCV_END, EVENT_RX_BASE, EVENT_RX_BUFFER,
  EVENT_RX_LOG2_SHIFT, EVENT_SND_UNA, REQ_CONN_OPEN,
} from '../../lib/memif/index.js'
import {
  AF_INET, connect, createEpollEvents, EPOLL_CTL_ADD, epoll_create1, epoll_ctl, epoll_wait, EPOLLIN, read, SOCK_NONBLOCK, SOCK_STREAM, socket,
  Stack, write,
} from '../../lib/sockets/index.js'
import { FakeService } from '../tas/fakeservice.js'
import { codeOf } from './simhosts.js'

const ROUNDS = 200_000

/** A connected socket in an epoll set; `echo` is one message in and out again. */
function echoing(lenBytes: number): { echo: () => void; received: () => number } {
  const service = new FakeService({ workers: 1 })
  const stack = new Stack(service.tas)
  const { id } = stack.context
  const fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, stack)
  expect(codeOf(() => connect(fd, { address: '192.168.1.2', port: 4000 }))).toBe('EINPROGRESS')
  const flow = service.makeFlow({ rxLog2: 12, txLog2: 12 })
  service.tell(service.openEntry(EV_CONN_OPEN, service.request(REQ_CONN_OPEN, id)[AS_HANDLE], flow), id)
  const epfd = epoll_create1(0, stack)
  epoll_ctl(epfd, EPOLL_CTL_ADD, fd, { events: EPOLLIN, data: fd })
  const { words } = service
  const { events: [ring], bumps: [bumps] } = service.contexts[id]
  const events = createEpollEvents(4)
  const buffer = new Uint8Array(lenBytes)
  let total = 0
  const echo = (): void => {
    const at = ring.reserve()
    flow.rcvEnd = (flow.rcvEnd + lenBytes) | 0
    words[at + EVENT_FLOW] = flow.flow
    words[at + EVENT_GEN] = flow.gen
    words[at + EVENT_FLAGS] = flow.rxLog2 << EVENT_RX_LOG2_SHIFT
    words[at + EVENT_RCV_END] = flow.rcvEnd
    words[at + EVENT_SND_UNA] = flow.sndUna
    words[at + EVENT_RX_BASE] = flow.rxBase
    words[at + EVENT_RX_BUFFER] = flow.start / BUFFER_UNIT_BYTES
    ring.push()
    ring.publish()
    const count = epoll_wait(epfd, events, 4, 0)
    for (let i = 0; i < count; i++) {
      total = (total + read(events[i].data, buffer)) | 0
      write(events[i].data, buffer)
    }
    for (let bump = bumps.peek(); bump >= 0; bump = bumps.peek()) {
      flow.sndUna = words[bump + BUMP_SND_END]
      bumps.next()
    }
    bumps.release()
  }
  return { echo, received: () => total }
}

// 24 bytes are copied by a loop, 600 by the addon, now and then in two pieces.
test.each([24, 600])('epoll_wait, read, write of %i bytes -> no garbage', async (lenBytes) => {
  const { echo, received } = echoing(lenBytes)
  const run = (rounds: number): void => {
    for (let i = 0; i < rounds; i++) echo()
  }
  run(50_000)
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') collect()
  let collections = 0
  const observer = new PerformanceObserver((list) => { collections += list.getEntries().length })
  await new Promise((resolve) => setImmediate(resolve))
  observer.observe({ entryTypes: ['gc'] })
  const before = process.memoryUsage().heapUsed
  run(ROUNDS)
  const grown = process.memoryUsage().heapUsed - before
  await new Promise((resolve) => setImmediate(resolve))
  observer.disconnect()
  // One object of 16 bytes for each message would be 3 MB.
  expect(collections).toBe(0)
  expect(grown).toBeLessThan(1_000_000)
  expect(received()).toBe(lenBytes * (ROUNDS + 50_000))
})
