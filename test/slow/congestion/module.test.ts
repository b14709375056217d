/** Modules of users: loaded, looked at, and kept from harming more than their own flow. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadAlgorithm, ModuleError, requireAlgorithm } from '../../../service/slow/congestion/loader.js'
import type { Algorithm, Flow, FlowControl } from '../../../service/slow/index.js'
import { begin, interval, MSS } from './flow.js'
import { acceptOn, begun, listenOn, type Played } from './scenes.js'
import { listConnections } from '../../connectionlist.js'

const FAILED = 'the congestion-control module has failed: flows on which it does are taken from it'

describe('loading', () => {
  let folder = ''
  let files = 0
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tasjs-module-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  function write(text: string): string {
    const path = join(folder, `module${files++}.mjs`)
    writeFileSync(path, text)
    return path
  }

  const body = 'update(flow) { flow.cwndBytes += 1 }, onLoss(flow) { return flow.cwndBytes / 2 }'

  it.each([
    ['default export', `export default { name: 'a', looks: 'limited', create: () => ({ ${body} }) }`],
    ['named exports', `export const name = 'a', looks = 'limited'; export function create() { return { ${body} } }`],
    ['a class', `class A { ${body.replace('}, onLoss', '} onLoss')} }; export default { name: 'a', looks: 'interval', create: () => new A() }`],
  ])('%s -> an algorithm', async (_, text) => {
    for (const algorithm of [await loadAlgorithm(write(text)), requireAlgorithm(write(text))]) {
      expect(algorithm.name).toBe('a')
      const { flow, control } = begin(algorithm)
      control.update(flow)
      expect(flow.cwndBytes).toBe(10 * MSS + 1)
    }
  })

  it.each([
    ['no file', null, /^cannot be loaded: /],
    ['no JavaScript', 'this is text', /^cannot be loaded: /],
    ['throws', 'throw new Error("no luck")', /^cannot be loaded: no luck/],
    ['a number', 'export default 5', /^exports no algorithm; want /],
    ['no name', `export default { looks: 'limited', create: () => ({ ${body} }) }`, /^has no name/],
    ['other looks', `export default { name: 'a', looks: 'often', create: () => ({ ${body} }) }`, /^looks is often; want one of limited, interval/],
    ['usesMarks of another kind', `export default { name: 'a', looks: 'limited', usesMarks: 1, create: () => ({ ${body} }) }`, /^usesMarks is 1/],
    ['no create', 'export default { name: "a", looks: "limited" }', /^has no create/],
    ['create without result', 'export default { name: "a", looks: "limited", create() {} }', /^create returns no object/],
    ['no update', 'export default { name: "a", looks: "limited", create: () => ({ onLoss: () => 1 }) }', /has no update/],
    ['no onLoss', 'export default { name: "a", looks: "limited", create: () => ({ update() {} }) }', /has no onLoss/],
    ['onEcho is no function', `export default { name: 'a', looks: 'limited', create: () => ({ ${body}, onEcho: 1 }) }`, /^onEcho is no function/],
    ['update throws', 'export default { name: "a", looks: "limited", create: () => ({ update() { throw new Error("oh") }, onLoss: () => 1 }) }', /^fails when it is tried: oh/],
    ['nonsense', 'export default { name: "a", looks: "limited", create: () => ({ update(flow) { flow.cwndBytes = NaN }, onLoss: () => 1 }) }',
      /^fails when it is tried: cwndBytes is NaN; |^fails when it is tried: cwndBytes is NaN: want/],
    ['onLoss without result', 'export default { name: "a", looks: "limited", create: () => ({ update() {}, onLoss() {} }) }', /what onLoss returns is undefined/],
  ] as const)('%s -> ModuleError that says so', async (_, text, message) => {
    const path = text === null ? join(folder, 'missing.mjs') : write(text)
    await expect(loadAlgorithm(path)).rejects.toThrow(ModuleError)
    await expect(loadAlgorithm(path)).rejects.toThrow(message)
    expect(() => requireAlgorithm(path)).toThrow(ModuleError)
  })

  it('a module of CommonJS -> an algorithm; one that waits for something -> only where it can be waited for', async () => {
    const common = join(folder, 'common.cjs')
    writeFileSync(common, `module.exports = { name: 'a', looks: 'limited', create: () => ({ ${body} }) }`)
    expect([(await loadAlgorithm(common)).name, requireAlgorithm(common).name]).toEqual(['a', 'a'])
    const waits = `await Promise.resolve(); export default { name: 'a', looks: 'limited', create: () => ({ ${body} }) }`
    expect((await loadAlgorithm(write(waits))).name).toBe('a')
    expect(() => requireAlgorithm(write(waits))).toThrow(/^cannot be loaded: .*await/s)
  })
})

describe('failing at work', () => {
  function moduleThat(control: Partial<FlowControl>, create?: (flow: Flow) => void): Algorithm {
    return {
      name: 'broken', looks: 'limited',
      create: (flow) => {
        create?.(flow)
        return { update: () => undefined, onLoss: ({ cwndBytes }) => cwndBytes / 2, ...control }
      },
    }
  }

  /** Two flows with ECN under `module`, of which the first does something with it. */
  function afterwards(module: Algorithm, act: (flow: Played) => void): { readonly first: string; readonly second: string; readonly complaints: number; readonly flow: Played } {
    const from = begun({ module, cc: { algorithm: 'module' } })
    listenOn(from)
    const flow = acceptOn(from)
    const other = acceptOn(from, { remotePort: 1000 })
    flow.rtt(1000).send(100_000)
    act(flow)
    act(flow)
    return { first: flow.algorithm, second: other.algorithm, complaints: from.host.logged.filter((line) => line === FAILED).length, flow }
  }

  const grow = (flow: Played): void => {
    flow.ack(10_000).limited()
    flow.open.host.advance(10_000)
    flow.orders()
  }

  it.each([
    ['throws', { update: () => { throw new Error('oh') } }],
    ['sets a window that is no number', { update: (flow: Flow) => { flow.cwndBytes = NaN } }],
    ['sets an infinite window', { update: (flow: Flow) => { flow.cwndBytes = Infinity } }],
    ['sets a negative rate', { update: (flow: Flow) => { flow.rateKbps = -1 } }],
    ['sets a threshold that is a text', { update: (flow: Flow) => { flow.ssthreshBytes = '5' as unknown as number } }],
  ])('update %s -> the flow is the default\'s, others stay, the log says so once', (_, control) => {
    const { first, second, complaints, flow } = afterwards(moduleThat(control), grow)
    expect([first, second, complaints]).toEqual(['dctcp-rate', 'module', 1])
    expect(flow.cwnd).toBeGreaterThan(0)
    expect(flow.rateKbps).toBeGreaterThan(0)
  })

  it.each([['throws', () => { throw new Error('oh') }], ['returns nothing', () => undefined as unknown as number], ['returns less than nothing', () => -1]])(
    'onLoss %s -> likewise, and the loss is answered', (_, onLoss) => {
      const { first, complaints, flow } = afterwards(moduleThat({ onLoss }), ({ open }) => open.host.advance(1_000_000))
      expect([first, complaints]).toEqual(['dctcp-rate', 1])
      expect(listConnections(flow.open.host.slow, flow.open.host.nowUs)[0].ssthreshBytes).toBe(15_000)
    })

  it('create throws -> likewise, for every flow, and one complaint', () => {
    const { first, second, complaints } = afterwards(moduleThat({}, () => { throw new Error('oh') }), grow)
    expect([first, second, complaints]).toEqual(['dctcp-rate', 'dctcp-rate', 1])
  })

  it('wishes beyond all bounds -> bounds: one segment, twice the buffer, 10 kbit/s to 100 Gbit/s', () => {
    const wish = (cwndBytes: number, rateKbps: number): [number, number] => {
      const { flow, complaints } = afterwards(moduleThat({ update: (now) => Object.assign(now, { cwndBytes, rateKbps }) }), grow)
      expect(complaints).toBe(0)
      return [flow.cwnd, flow.rateKbps]
    }
    expect(wish(0, 0.001)).toEqual([1448, 10])
    expect(wish(1e300, 1e300)).toEqual([2 << 20, 100_000_000])
    expect(wish(20_000.7, 55.5)).toEqual([20_000, 56])
  })
})

describe('examples/delay-aimd', () => {
  it('no queue -> slow start, then a segment in each window; a queue -> 0.85 of the window; loss -> half of what is in flight', async () => {
    const { flow, control } = begin(await loadAlgorithm(resolve(import.meta.dirname, '../../../examples/delay-aimd.ts')))
    interval(control, flow, { ackedBytes: 10 * MSS })
    expect(flow.cwndBytes).toBe(20 * MSS)
    interval(control, flow, { ackedBytes: 20 * MSS, rttUs: 1101 })
    expect(flow.cwndBytes).toBe(17 * MSS)
    interval(control, flow, { ackedBytes: 17 * MSS, rttUs: 100 })
    expect(flow.cwndBytes).toBe(18 * MSS)
    interval(control, flow, { ackedBytes: 18 * MSS, isLimited: false })
    expect(flow.cwndBytes).toBe(18 * MSS)
    flow.inFlightBytes = 12 * MSS
    expect(control.onLoss(flow)).toBe(6 * MSS)
  })
})
