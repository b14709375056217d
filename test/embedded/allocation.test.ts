import { expect, test } from 'vitest'
import {
  CONN_OPEN, CONN_RECEIVED, createEvents, LISTEN_ACCEPT, LISTEN_NEWCONN, LISTEN_OPEN, type Connection, type Context, type TasEvent,
} from '../../lib/tas/index.js'
import { Clock, nowUs, yieldCpu } from '../../native/index.js'
import { expectNoGarbage } from '../garbage.js'
import { memoryStack } from './memorystack.js'

const OWN_IP = 0x0a000001
const PORT = 80
const WARM_UP = 50_000
const ROUNDS = 200_000
const MESSAGE = 24

/** Sends MESSAGE bytes that are in the buffer anyhow: what they are is not looked at. */
function send(connection: Connection): void {
  connection.txSend(connection.txAlloc(MESSAGE))
}

/** Whatever comes, the same amount goes back. */
function answer(event: TasEvent): number {
  if (event.type !== CONN_RECEIVED) return 0
  event.connection.rxDone(event.length + event.length2)
  send(event.connection)
  return 1
}

function pollAll(context: Context, events: TasEvent[]): number {
  const count = context.poll(events)
  let answered = 0
  for (let i = 0; i < count; i++) answered += answer(events[i])
  return answered
}

/** Two contexts with a connection to each other on a TAS in this thread, and the first message under way. */
function connectedContexts(): Context[] {
  const { stack, port, connect } = memoryStack({
    ip: OWN_IP, bufLen: 1 << 14, mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
    random: { u32: () => 1 }, secret: new Uint8Array(16), clock: new Clock(), nowUs,
    yieldCpu, block: () => { throw new Error('nobody blocks here') }, onTransmit: () => undefined,
  })
  // The port in memory makes lists; nothing comes by it here.
  port.receive = () => 0
  const tas = connect(null, () => undefined)
  const [server, client] = [tas.createContext(), tas.createContext()]
  const events = createEvents(4)
  server.listen(PORT)
  const ends: Connection[] = []
  while (ends.length < 2) {
    for (const context of [server, client]) {
      for (let i = context.poll(events) - 1; i >= 0; i--) {
        if (events[i].type === LISTEN_OPEN) client.connect(OWN_IP, PORT)
        if (events[i].type === LISTEN_NEWCONN) events[i].listener.accept()
        if (events[i].type === LISTEN_ACCEPT || events[i].type === CONN_OPEN) ends.push(events[i].connection)
      }
    }
    stack.advance()
  }
  send(ends[0])
  return [server, client]
}

test('messages between two contexts of an embedded TAS: poll, pass, events, segments -> no garbage', async () => {
  const contexts = connectedContexts()
  const events = createEvents(4)
  let answered = 0
  const run = (rounds: number): void => {
    for (let i = 0; i < rounds; i++) answered += pollAll(contexts[i & 1], events)
  }
  run(WARM_UP)
  const before = answered
  await expectNoGarbage(() => run(ROUNDS))
  expect(answered - before).toBeGreaterThan(ROUNDS / 4)
})
