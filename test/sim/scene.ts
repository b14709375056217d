/** Two hosts with programs, for tests that disturb them. */
import { expect } from 'vitest'
import { SimHost, type HostOptions } from './host.js'
import { SimNetwork } from './network.js'
import { Program, type Transfer } from './programs.js'

export const SERVER_IP = 0x0a000001
export const CLIENT_IP = 0x0a000002
export const MINUTE_US = 60_000_000
const GAUGES = [
  'flowsSynSent', 'flowsSynReceived', 'flowsEstablished', 'flowsClosing', 'flowsTimeWait', 'bufferBytes', 'listeners', 'apps', 'contexts',
] as const

/** A program that its host polls with every step, until it is removed. */
export interface Running {
  readonly program: Program
  readonly app: number
  readonly memory: SharedArrayBuffer
  /** Polled no longer: it hangs, or does other things. */
  hang(): void
}

/** Starts a program on `host`. */
export function start(host: SimHost, name: string): Running {
  const { tas, app, memory } = host.connectApp(name)
  const program = new Program(tas.createContext())
  const step = host.step.bind(host)
  let isHung = false
  host.step = (nowUs) => step(nowUs) + (isHung ? 0 : program.step())
  return { program, app, memory, hang: () => { isHung = true } }
}

export interface TwoHosts {
  readonly net: SimNetwork
  readonly server: SimHost
  readonly client: SimHost
}

export function twoHosts(seed: number, options: Partial<HostOptions> = {}, clientOptions: Partial<HostOptions> = {}): TwoHosts {
  const net = new SimNetwork(seed)
  const server = new SimHost(net, { ip: SERVER_IP, bufLen: 1 << 13, ...options })
  const client = new SimHost(net, { ip: CLIENT_IP, bufLen: 1 << 13, ...clientOptions })
  return { net, server, client }
}

/** Serves `port` and waits until that is so. */
export function listen({ net }: TwoHosts, { program }: Running, port: number, respond: () => Uint8Array): void {
  program.listen(port, respond)
  expect(net.run(() => program.listening, 1_000_000)).toBe(true)
}

/** A request and its response between two well-behaved programs: must be right whatever goes on beside. */
export function exchange({ net }: TwoHosts, calling: Running, serving: Running, port: number, response: Uint8Array): void {
  const before = serving.program.transfers.size
  const request = net.random.bytes(net.random.below(20_000))
  const call = calling.program.connect(SERVER_IP, port, request)
  const answer = (): Transfer | undefined => [...serving.program.transfers.values()].slice(before - 1).find(({ closed }) => closed)
  expect(net.run(() => call.closed && answer() !== undefined, 5 * MINUTE_US)).toBe(true)
  expect([call.status, answer()?.status]).toEqual([0, 0])
  expect(Buffer.compare(Uint8Array.from(call.received), response)).toBe(0)
  expect(Buffer.compare(Uint8Array.from(answer()?.received ?? []), request)).toBe(0)
}

/** All programs end. Once time has passed nothing of them may be left: no flow, no buffer, no timer, no region. */
export function expectNothingLeft(hosts: TwoHosts, programs: readonly (readonly [SimHost, Running])[]): void {
  for (const [host, running] of programs) {
    running.hang()
    host.slow.apps.removeApp(running.app)
  }
  hosts.net.run(() => false, 10 * MINUTE_US)
  for (const host of [hosts.server, hosts.client]) {
    expect(GAUGES.map((name) => [name, host.slowCount(name)])).toEqual(GAUGES.map((name) => [name, 0]))
    expect(host.fastCount('flows')).toBe(0)
    expect(host.slow.nextDeadlineUs()).toBe(Infinity)
  }
  for (const [host, { app }] of programs) expect([app, host.workerKnows(app), host.isIdTaken(app)]).toEqual([app, false, false])
}
