/** Trace points of a worker. */
import { describe, expect, it } from 'vitest'
import { TRACE_KINDS, TRACE_TX } from '../../lib/memif/index.js'
import { TestTrace } from '../tracing.js'
import { IRS1, ISS1, LOCAL_PORT, PEER_PORT } from './frames.js'
import { FastHarness } from './harness.js'

describe('trace: worker', () => {
  it('a request and its answer -> frame in, event, bump, frame out, with headers and no payload', () => {
    const trace = new TestTrace(1, () => 0)
    const h = new FastHarness({ trace: trace.writer })
    const flow = h.addFlow()
    trace.records()
    h.receive({ data: 'ping' })
    h.write(flow, Uint8Array.of(1, 2, 3, 4, 5), { read: IRS1 + 4 })
    h.pass()
    const records = trace.records()
    expect(records.map(({ kind }) => kind)).toEqual(['rx', 'event', 'bump', 'tx'])
    const [rx, event, bump, tx] = records
    const tuple = { localPort: LOCAL_PORT, remotePort: PEER_PORT }
    for (const record of records) expect(record.tuple).toMatchObject(tuple)
    expect(rx.frame?.tcp).toMatchObject({ seq: IRS1, payloadLen: 4 })
    expect(rx.frame?.bytes).toHaveLength(54)
    expect([event.flow, event.values.slice(1, 3)]).toEqual([flow, [IRS1 + 4, ISS1]])
    expect([bump.flow, bump.values.slice(1, 3)]).toEqual([flow, [IRS1 + 4, ISS1 + 5]])
    expect(tx.frame?.tcp).toMatchObject({ seq: ISS1, ack: IRS1 + 4, payloadLen: 5 })
    expect(tx.frame).toMatchObject({ lenBytes: 59 })
  })

  it('switched on and off between passes -> what is wanted at the time', () => {
    const trace = new TestTrace(1, () => 0, 0)
    const h = new FastHarness({ trace: trace.writer })
    const flow = h.addFlow()
    const turn = (byte: number): string[] => {
      h.write(flow, Uint8Array.of(byte))
      h.pass()
      return trace.records().map(({ kind }) => kind)
    }
    expect(turn(1)).toEqual([])
    trace.want(1 << TRACE_TX)
    expect(turn(2)).toEqual(['tx'])
    trace.want(2 ** TRACE_KINDS.length - 1)
    expect(turn(3)).toEqual(['bump', 'tx'])
    trace.want(0)
    expect(turn(4)).toEqual([])
  })
})
