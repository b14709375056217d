import { describe, expect, it } from 'vitest'
import { RestartPolicy } from '../../service/restartpolicy.js'
import { decodeWorkerStart, encodeWorkerStart, type WorkerStart } from '../../service/workerstart.js'

const START: WorkerStart = {
  worker: 0, workers: 1, restart: false, known: 0, stateBytes: 65536, noHugePages: false, countersBytes: 9216,
  port: { kind: 'af_packet', interface: 'veth0', offload: true, vlan: 0 }, localMac: '020000000001', mtu: 1500,
  kinBytes: 1024, koutBytes: 1024, fastEntries: 64, pollIntervalUs: 50, block: true, autoscale: false, vlanStrip: false, cpu: -1,
}

describe('worker argument', () => {
  it('encoded and decoded -> the same', () => {
    expect(decodeWorkerStart(encodeWorkerStart(START))).toEqual(START)
  })

  it.each(Object.keys(START))('without %s -> refused, naming a field', (field) => {
    const fields: Record<string, unknown> = { ...START }
    delete fields[field]
    expect(() => decodeWorkerStart(JSON.stringify(fields))).toThrow(/^worker argument: \w+ is/)
  })

  it.each([
    [{ worker: 1 }, 'worker is 1'], [{ workers: 17 }, 'workers is 17'], [{ mtu: 1.5 }, 'mtu is 1.5'], [{ localMac: '02:00' }, 'localMac is 02:00'],
    [{ port: { ...START.port, kind: 'dpdk' } }, 'kind is dpdk'], [{ port: null }, 'port is no object'],
  ])('%j -> %s', (changes, message) => {
    expect(() => decodeWorkerStart(JSON.stringify({ ...START, ...changes }))).toThrow(message)
  })
})

describe('restart policy', () => {
  it('waits longer and longer, gives up at the fifth death in ten seconds', () => {
    const policy = new RestartPolicy()
    expect([0, 1000, 2000, 3000, 4000].map((at) => policy.died(at))).toEqual([50, 100, 200, 400, -1])
  })

  it('deaths far apart -> each is the first', () => {
    const policy = new RestartPolicy()
    expect([0, 20_000, 40_000, 60_000, 80_000, 100_000].map((at) => policy.died(at))).toEqual([50, 50, 50, 50, 50, 50])
  })
})
