/** Options and information of connections the whole way: library, slow path, worker, the other host. */
import { describe, expect, it } from 'vitest'
import {
  CONN_INFO, CONN_OPEN, CONN_RECEIVED, createEvents, eventName, LISTEN_ACCEPT, type Connection, type ConnectionInfo,
  type ConnectionOptions, type Context,
} from '../../lib/tas/index.js'
import { SimHost } from './host.js'
import { GOOD_LINK, SimNetwork } from './network.js'
import { listConnections } from '../connectionlist.js'

const SERVER_IP = 0x0a000001
const CLIENT_IP = 0x0a000002
const PORT = 80
const SECOND_US = 1_000_000
const DELAY_US = 500

/** A program that notes what it sees. */
class Watcher {
  readonly context: Context
  readonly seen: string[] = []
  info: ConnectionInfo | null = null
  connection: Connection | null = null
  received = 0
  private readonly events = createEvents(16)

  constructor(host: SimHost, name: string) {
    this.context = host.connectApp(name).tas.createContext()
    const step = host.step.bind(host)
    host.step = (nowUs) => step(nowUs) + this.poll()
  }

  private poll(): number {
    const count = this.context.poll(this.events)
    for (const event of this.events.slice(0, count)) {
      this.seen.push([eventName(event.type), event.code].join(' ').trim())
      if (event.type === CONN_OPEN || event.type === LISTEN_ACCEPT) this.connection = event.connection
      if (event.type === CONN_INFO && event.status === 0) this.info = event.info
      if (event.type === CONN_RECEIVED) {
        this.received += event.total
        event.connection.rxDone(event.total)
      }
    }
    this.context.flush()
    return count
  }
}

interface Pair {
  readonly net: SimNetwork
  readonly hosts: readonly SimHost[]
  readonly server: Watcher
  readonly client: Watcher
  readonly serving: Connection
  readonly calling: Connection
}

/** A connection from one host to another. */
function pair(client: ConnectionOptions = {}, server: ConnectionOptions = {}): Pair {
  const net = new SimNetwork(7, { ...GOOD_LINK, delayUs: DELAY_US })
  const hosts = [SERVER_IP, CLIENT_IP].map((ip) => new SimHost(net, { ip }))
  const [serverSide, clientSide] = [new Watcher(hosts[0], 'server'), new Watcher(hosts[1], 'client')]
  serverSide.context.listen(PORT, server).accept()
  net.run(() => serverSide.seen.includes('LISTEN_OPEN'), SECOND_US)
  clientSide.context.connect(SERVER_IP, PORT, client)
  expect(net.run(() => serverSide.connection !== null && clientSide.connection !== null, SECOND_US)).toBe(true)
  const { connection: serving } = serverSide
  const { connection: calling } = clientSide
  if (serving === null || calling === null) throw new Error('no connection')
  return { net, hosts, server: serverSide, client: clientSide, serving, calling }
}

/** Nothing comes through any more. */
function cut({ net }: Pair): void {
  net.faults = { ...GOOD_LINK, loss: 1 }
}

/** Seconds until `side` is told that its connection ended. */
function endsAfter({ net }: Pair, side: Watcher, limitUs: number): number {
  const startUs = net.nowUs
  expect(net.run(() => side.seen.some((event) => event.startsWith('CONN_CLOSED')), limitUs)).toBe(true)
  return (net.nowUs - startUs) / SECOND_US
}

function infoOf({ net }: Pair, side: Watcher): ConnectionInfo {
  side.info = null
  side.connection?.requestInfo()
  expect(net.run(() => side.info !== null, SECOND_US)).toBe(true)
  if (side.info === null) throw new Error('no information')
  return side.info
}

describe('two TAS hosts: options', () => {
  it('keepalive: peer there -> an idle hour passes; gone -> ETIMEDOUT after the time asked for', () => {
    const both = pair({ keepAlive: { idleMs: 60_000, intervalMs: 5000, count: 4 } })
    both.net.run(() => false, 3600 * SECOND_US)
    expect(both.client.seen).toEqual(['CONN_OPEN'])
    expect(both.hosts[1].slowCount('keepaliveProbes')).toBeGreaterThan(50)
    expect(both.hosts[0].slowCount('keepaliveProbes')).toBe(0)
    cut(both)
    expect(endsAfter(both, both.client, 200 * SECOND_US)).toBeLessThanOrEqual(80.01)
    expect(both.client.seen.at(-1)).toBe('CONN_CLOSED ETIMEDOUT')
  })

  it('keepalive of a listener -> accepted connections have it; the host that stays learns that the other is gone', () => {
    const both = pair({}, { keepAlive: { idleMs: 1000, intervalMs: 1000, count: 3 }, tos: 0x48 })
    expect(infoOf(both, both.server)).toMatchObject({ keepAlive: true, keepIdleMs: 1000, tos: 0x48 })
    expect(infoOf(both, both.client)).toMatchObject({ keepAlive: false, tos: 0 })
    cut(both)
    endsAfter(both, both.server, 10 * SECOND_US)
    expect(both.server.seen.at(-1)).toBe('CONN_CLOSED ETIMEDOUT')
  })

  it('user timeout: data unacknowledged -> ETIMEDOUT long before retransmission gives up', () => {
    const both = pair({ userTimeoutMs: 8000 })
    cut(both)
    both.calling.write(new Uint8Array(100))
    const seconds = endsAfter(both, both.client, 60 * SECOND_US)
    expect(seconds).toBeGreaterThanOrEqual(8)
    expect(seconds).toBeLessThanOrEqual(10.1)
    expect(both.client.seen.at(-1)).toBe('CONN_CLOSED ETIMEDOUT')
  })

  it('user timeout: the peer acknowledges -> nothing happens', () => {
    const both = pair({ userTimeoutMs: 2000 })
    both.calling.write(new Uint8Array(3000))
    both.net.run(() => false, 60 * SECOND_US)
    expect(both.client.seen).toEqual(['CONN_OPEN'])
    expect(both.server.received).toBe(3000)
  })

  it('linger: link cut -> ETIMEDOUT when asked for; intact -> delivered, in good order', () => {
    const both = pair()
    cut(both)
    both.calling.write(new Uint8Array(100))
    both.calling.close({ lingerMs: 3000 })
    expect(endsAfter(both, both.client, 60 * SECOND_US)).toBeCloseTo(3, 1)
    expect(both.client.seen.at(-1)).toBe('CONN_CLOSED ETIMEDOUT')
    const good = pair()
    good.calling.write(new Uint8Array(5000))
    good.calling.close({ lingerMs: 3000 })
    good.net.run(() => good.server.seen.includes('CONN_RXCLOSED'), SECOND_US)
    good.serving.close()
    endsAfter(good, good.client, 100 * SECOND_US)
    expect([good.client.seen.at(-1), good.server.received]).toEqual(['CONN_CLOSED', 5000])
  })

  it('linger 0 -> the peer is reset', () => {
    const both = pair()
    both.calling.close({ lingerMs: 0 })
    endsAfter(both, both.server, SECOND_US)
    expect([both.server.seen.at(-1), both.client.seen.at(-1)]).toEqual(['CONN_CLOSED ECONNRESET', 'CONN_CLOSED'])
  })

  it('info: after a transfer -> bytes, times and what was agreed on', () => {
    const both = pair()
    both.calling.write(new Uint8Array(20_000))
    both.net.run(() => both.server.received === 20_000, SECOND_US)
    both.net.run(() => false, SECOND_US)
    both.net.nowUs += SECOND_US
    const [client, server] = [infoOf(both, both.client), infoOf(both, both.server)]
    expect(client).toMatchObject({
      state: 'ESTABLISHED', sentBytes: 20_000, ackedBytes: 20_000, receivedBytes: 0, inFlightBytes: 0, unsentBytes: 0, retransmits: 0,
      timestamps: true, noDelay: true, keepAlive: false, congestionControl: 'cubic', softError: '',
    })
    expect(server).toMatchObject({ state: 'ESTABLISHED', sentBytes: 0, receivedBytes: 20_000 })
    expect(server.rxBufferBytes).toBeGreaterThanOrEqual(1 << 15)
    expect(client.rttUs).toBeGreaterThanOrEqual(2 * DELAY_US)
    expect(client.rttUs).toBeLessThan(4 * DELAY_US)
    expect(client.heardMs).toBeGreaterThanOrEqual(1000)
    expect(client.heardMs).toBeLessThan(7000)
    both.net.faults = { ...GOOD_LINK, delayUs: DELAY_US, loss: 0.3 }
    const bytes = 20_000 + both.calling.write(new Uint8Array(30_000))
    expect(both.net.run(() => both.server.received === bytes, 60 * SECOND_US)).toBe(true)
    both.net.faults = { ...GOOD_LINK, delayUs: DELAY_US }
    both.net.run(() => false, SECOND_US)
    expect(infoOf(both, both.client)).toMatchObject({ sentBytes: bytes, ackedBytes: bytes, lostBytes: 0, sackedBytes: 0, backoff: 0 })
    expect(infoOf(both, both.client).retransmits).toBeGreaterThan(0)
    const rows = both.hosts.flatMap((host) => listConnections(host.slow, both.net.nowUs))
    expect(rows.map(({ state, name, local, receivedBytes }) => [state, name, local, receivedBytes])).toEqual([
      ['ESTABLISHED', 'server', '10.0.0.1:80', bytes],
      ['ESTABLISHED', 'client', expect.stringMatching(/^10\.0\.0\.2:\d+$/), 0],
    ])
  })
})
