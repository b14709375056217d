import { expect, test } from 'vitest'
import { BUMP_SND_END, type RingConsumer } from '../../lib/memif/index.js'
import { CONN_RECEIVED, type TasEvent } from '../../lib/tas/index.js'
import { expectNoGarbage } from '../garbage.js'
import { FakeService, type FakeFlow } from './fakeservice.js'

const ROUNDS = 200_000
const BATCH = 8
const MESSAGE = 24

/** One echo round: the worker reports a message on every flow, the application answers, the worker acknowledges. */
function echoRound(service: FakeService, flows: FakeFlow[], events: TasEvent[], bumps: RingConsumer): void {
  for (let i = 0; i < flows.length; i++) {
    flows[i].rcvEnd = (flows[i].rcvEnd + MESSAGE) | 0
    service.report(flows[i])
  }
  const count = service.context.poll(events)
  for (let i = 0; i < count; i++) echo(events[i])
  service.context.flush()
  for (let i = 0, at = bumps.peek(); at >= 0; i++, at = bumps.peek()) {
    flows[i].sndUna = service.words[at + BUMP_SND_END]
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
  const { bumps: [bumps] } = service.contexts[0]
  const run = (rounds: number): void => {
    for (let i = 0; i < rounds; i++) echoRound(service, flows, service.events, bumps)
  }
  run(50_000)
  const runs = await expectNoGarbage(() => run(ROUNDS))
  expect(flows[0].rcvEnd).toBe((flows[0].rxBase + MESSAGE * (runs * ROUNDS + 50_000)) | 0)
})
