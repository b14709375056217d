/** A worker that is killed in the middle of a pass, with orders read and not answered. */
import { expect, it } from 'vitest'
import type { SimHost } from './host.js'
import { expectNothingLeft, listen, MINUTE_US, SERVER_IP, start, twoHosts } from './scene.js'

const PORT = 80
/** The second call of the port in a pass with something to send is the one that sends it: orders have been read by then and none is answered. */
const CALLS = 1

/** Does `act` once, before a pass of `host`'s worker that finds something to send. */
function beforeSending(host: SimHost, isSending: () => boolean, act: () => void): void {
  const step = host.step.bind(host)
  let isDone = false
  host.step = (nowUs) => {
    if (!isDone && isSending() && host.worker.hasWork()) {
      isDone = true
      act()
    }
    return step(nowUs)
  }
}

it('worker: ordered to forget an application, killed before it answers -> the id is free, the others go on', () => {
  const hosts = twoHosts(1)
  const { net, server, client } = hosts
  const serving = start(server, 'serving')
  const calling = start(client, 'calling')
  const leaving = start(server, 'leaving')
  const response = net.random.bytes(100_000)
  listen(hosts, serving, PORT, () => response)
  const call = calling.program.connect(SERVER_IP, PORT, net.random.bytes(100))
  beforeSending(server, () => call.received.length > 0, () => {
    leaving.hang()
    server.slow.apps.removeApp(leaving.app)
    server.killWorkerAfter(CALLS, false)
  })
  expect(net.run(() => call.closed, MINUTE_US)).toBe(true)
  expect([server.takeovers, call.status, Buffer.compare(Uint8Array.from(call.received), response)]).toEqual([1, 0, 0])
  expect([server.isIdTaken(leaving.app), server.isIdTaken(serving.app)]).toEqual([false, true])
  expectNothingLeft(hosts, [[server, serving], [client, calling], [server, leaving]])
})
