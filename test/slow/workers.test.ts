/** Commands to a worker whose ring has no room. */
import { describe, expect, it } from 'vitest'
import {
  Doorbell, FLAG_CWR_OWED, FLAG_IN_RECOVERY, FLAG_NAGLE, placeState, StateView, TO_FAST_FLOW_ACK,
  TO_FAST_FLOW_FLAGS, TO_FAST_FLOW_SEND, TO_FAST_FLOW_UPDATE, writeStateHeader, TraceWriter,
} from '../../lib/memif/index.js'
import { WorkerChannel } from '../../service/slow/workers.js'
import { type Command, FakeWorker } from './ends.js'

const FLOW = 3
const GEN = 9
const NAME = { flow: FLOW, gen: GEN }

/** A channel whose ring holds four commands and is full of those for other flows; `read` gives what the worker finds. */
function full(): { channel: WorkerChannel; read: () => Command[] } {
  const shape = { workers: 1, flows: 16, toSlowEntries: 4, toFastEntries: 4, packetAreaBytes: 4096 }
  const memory = new SharedArrayBuffer(placeState(shape).totalBytes)
  writeStateHeader(new Int32Array(memory), shape)
  const state = new StateView(memory)
  const worker = new FakeWorker(state, 0)
  const doorbell = new Doorbell(worker.doorbellWords, 0, { wake: () => void worker.rings++ })
  const channel = new WorkerChannel(state, 0, { doorbell, appAdded: () => undefined, contextAdded: () => undefined }, TraceWriter.off())
  for (let flow = 8; flow < 12; flow++) channel.flow(TO_FAST_FLOW_ACK, { flow, gen: GEN })
  const read = (): Command[] => {
    channel.flush()
    channel.publish()
    return worker.read()
  }
  return { channel, read }
}

describe('ring full', () => {
  it('flags set and cleared again and again -> one order with the last of each bit, other commands in their order behind it', () => {
    const { channel, read } = full()
    for (let i = 0; i < 6; i++) {
      channel.flags(NAME, FLAG_IN_RECOVERY, FLAG_IN_RECOVERY)
      channel.value(TO_FAST_FLOW_SEND, NAME, i, 1)
      if (i === 3) channel.flags(NAME, FLAG_CWR_OWED, 0)
      channel.flags(NAME, 0, FLAG_IN_RECOVERY)
      channel.flow(TO_FAST_FLOW_UPDATE, NAME)
    }
    channel.flags(NAME, FLAG_NAGLE, FLAG_NAGLE)
    expect(read()).toHaveLength(4)
    expect(read()).toMatchObject([
      { type: TO_FAST_FLOW_FLAGS, flow: FLOW, gen: GEN, first: FLAG_CWR_OWED | FLAG_NAGLE, second: FLAG_IN_RECOVERY | FLAG_NAGLE },
      { type: TO_FAST_FLOW_SEND, first: 0 }, { type: TO_FAST_FLOW_UPDATE }, { type: TO_FAST_FLOW_SEND, first: 1 },
    ])
    expect(read()).toMatchObject([2, 3, 4, 5].map((first) => ({ type: TO_FAST_FLOW_SEND, first })))
  })

  it('flags for the next connection of a flow index -> an order of its own', () => {
    const { channel, read } = full()
    channel.flags(NAME, FLAG_IN_RECOVERY, FLAG_IN_RECOVERY)
    for (let i = 0; i < 2; i++) channel.flags({ flow: FLOW, gen: GEN + 1 }, FLAG_NAGLE, FLAG_NAGLE)
    read()
    expect(read()).toMatchObject([{ gen: GEN, first: FLAG_IN_RECOVERY }, { gen: GEN + 1, first: FLAG_NAGLE }])
  })
})
