import { PerformanceObserver } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import {
  BUFFER_UNIT_BYTES, BUMP_SND_END, EVENT_FLAGS, EVENT_FLOW, EVENT_GEN, EVENT_RCV_END, EVENT_RX_BASE, EVENT_RX_BUFFER, EVENT_RX_LOG2_SHIFT, EVENT_SND_UNA, type RingConsumer, type RingProducer,
} from '../../lib/memif/index.js'
import { CONN_RECEIVED, type TasEvent } from '../../lib/tas/index.js'
import { FakeService, type FakeFlow } from './fakeservice.js'

const ROUNDS = 200_000
const BATCH = 8
const MESSAGE = 24

/** One echo round: the worker reports a message on every flow, the application answers, the worker acknowledges. */
function echoRound(service: FakeService, flows: FakeFlow[], events: TasEvent[], ring: RingProducer, bumps: RingConsumer): void {
  const { words } = service
  for (let i = 0; i < flows.length; i++) {
    const flow = flows[i]
    const at = ring.reserve()
    flow.rcvEnd = (flow.rcvEnd + MESSAGE) | 0
    words[at + EVENT_FLOW] = flow.flow
    words[at + EVENT_GEN] = flow.gen
    words[at + EVENT_FLAGS] = flow.rxLog2 << EVENT_RX_LOG2_SHIFT
    words[at + EVENT_RCV_END] = flow.rcvEnd
    words[at + EVENT_SND_UNA] = flow.sndUna
    words[at + EVENT_RX_BASE] = flow.rxBase
    words[at + EVENT_RX_BUFFER] = flow.start / BUFFER_UNIT_BYTES
    ring.push()
  }
  ring.publish()
  const count = service.context.poll(events)
  for (let i = 0; i < count; i++) echo(events[i])
  service.context.flush()
  for (let i = 0, at = bumps.peek(); at >= 0; i++, at = bumps.peek()) {
    flows[i].sndUna = words[at + BUMP_SND_END]
    bumps.next()
  }
  bumps.release()
}

function echo(event: TasEvent): void {
  if (event.type !== CONN_RECEIVED) return
  const { connection, buffer } = event
  let from = event.offset
  let left = event.length + event.length2
  while (left > 0) {
    const got = connection.txAlloc(left)
    const to = connection.txOffset
    for (let i = 0; i < got; i++) connection.txBuffer[to + i] = buffer[(from + i) & (buffer.length - 1)]
    connection.txSend(got)
    from += got
    left -= got
  }
  connection.rxDone(event.length + event.length2)
}

test('echo path: poll, rxDone, txAlloc, txSend -> no garbage', async () => {
  const service = new FakeService({ workers: 1 })
  const flows = Array.from({ length: BATCH }, () => service.connect().flow)
  const { events: [ring], bumps: [bumps] } = service.contexts[0]
  const run = (rounds: number): void => {
    for (let i = 0; i < rounds; i++) echoRound(service, flows, service.events, ring, bumps)
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
  // One object of 16 bytes for each event would be 25 MB, and collected several times.
  expect(collections).toBe(0)
  expect(grown).toBeLessThan(1_000_000)
  expect(flows[0].rcvEnd).toBe((flows[0].rxBase + MESSAGE * (ROUNDS + 50_000)) | 0)
})
