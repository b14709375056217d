import { expect, test } from 'vitest'
import { AS_HANDLE, BUMP_SND_END, EV_CONN_OPEN, REQ_CONN_OPEN } from '../../lib/memif/index.js'
import {
  AF_INET, connect, createEpollEvents, EPOLL_CTL_ADD, epoll_create1, epoll_ctl, epoll_wait, EPOLLIN, read, SOCK_NONBLOCK, SOCK_STREAM, socket,
  Stack, write,
} from '../../lib/sockets/index.js'
import { expectNoGarbage } from '../garbage.js'
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
  const { bumps: [bumps] } = service.contexts[id]
  const events = createEpollEvents(4)
  const buffer = new Uint8Array(lenBytes)
  let total = 0
  const echo = (): void => {
    flow.rcvEnd = (flow.rcvEnd + lenBytes) | 0
    service.report(flow, 0, id)
    const count = epoll_wait(epfd, events, 4, 0)
    for (let i = 0; i < count; i++) {
      total = (total + read(events[i].data, buffer)) | 0
      write(events[i].data, buffer)
    }
    for (let bump = bumps.peek(); bump >= 0; bump = bumps.peek()) {
      flow.sndUna = service.words[bump + BUMP_SND_END]
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
  const runs = await expectNoGarbage(() => run(ROUNDS))
  expect(received()).toBe(lenBytes * (runs * ROUNDS + 50_000))
})
