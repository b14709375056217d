/** Two hosts on a link behind which something carries less than they think: a router that says so, and one that does not. */
import { describe, expect, it } from 'vitest'
import { emitEthernet, emitIcmp, emitIpv4, readWord } from '../../lib/wire/index.js'
import { SimHost } from './host.js'
import { SimNetwork } from './network.js'
import { Program } from './programs.js'

const SERVER_IP = 0x0a000001
const CLIENT_IP = 0x0a000002
const MINUTE_US = 60_000_000
const PORT = 80

/** Carries IP packets up to `mtu` bytes. */
class NarrowNetwork extends SimNetwork {
  mtu = 1500
  dropped = 0
  /** Says so of those that it does not carry (RFC 792: fragmentation needed). */
  tells = true

  override send(from: SimHost, frame: Uint8Array): void {
    if (frame.length - 14 <= this.mtu) return super.send(from, frame)
    this.dropped++
    if (this.tells) from.receive(tooBig(frame, this.mtu))
  }
}

function tooBig(dropped: Uint8Array, mtu: number): Uint8Array {
  const frame = new Uint8Array(14 + 20 + 8 + 28)
  emitEthernet(frame, { target: dropped.subarray(6, 12), source: dropped.subarray(0, 6), etherType: 0x0800 })
  emitIpv4(frame, 14, { sourceIp: 0x0a0000fe, targetIp: readWord(dropped, 26), protocol: 1, ttl: 60, tos: 0, payloadLen: 36 })
  emitIcmp(frame, 34, { type: 3, code: 4, id: 0, sequence: mtu, payload: dropped.subarray(14, 42) })
  return frame
}

/** Sends both ways over a path of `mtu` bytes; returns what to look at. */
function transfer(mtu: number, tells: boolean): { server: SimHost; net: NarrowNetwork; tookUs: number } {
  const net = new NarrowNetwork(7)
  const server = new SimHost(net, { ip: SERVER_IP, bufLen: 1 << 16 })
  const client = new SimHost(net, { ip: CLIENT_IP, bufLen: 1 << 16 })
  const serving = new Program(server.connectApp('server').tas.createContext())
  const calling = new Program(client.connectApp('client').tas.createContext())
  for (const [host, program] of [[server, serving], [client, calling]] as const) {
    const step = host.step.bind(host)
    host.step = (nowUs) => step(nowUs) + program.step()
  }
  const request = net.random.bytes(200_000)
  const response = net.random.bytes(300_000)
  serving.listen(PORT, () => response)
  expect(net.run(() => serving.listening, 1_000_000)).toBe(true)
  net.mtu = mtu
  net.tells = tells
  const startUs = net.nowUs
  const call = calling.connect(SERVER_IP, PORT, request)
  const answer = (): boolean => [...serving.transfers.values()].some(({ closed }) => closed)
  expect(net.run(() => call.closed && answer(), 5 * MINUTE_US)).toBe(true)
  const tookUs = net.nowUs - startUs
  const [served] = [...serving.transfers.values()].filter(({ closed }) => closed)
  expect([call.status, served.status]).toEqual([0, 0])
  expect(Buffer.compare(Uint8Array.from(call.received), response)).toBe(0)
  expect(Buffer.compare(Uint8Array.from(served.received), request)).toBe(0)
  net.run(() => false, 15 * MINUTE_US)
  for (const host of [server, client]) expect([host.slowCount('bufferBytes'), host.slow.nextDeadlineUs()]).toEqual([0, Infinity])
  return { server, net, tookUs }
}

describe('path with a smaller MTU', () => {
  it.each([1499, 1400, 1280, 1006, 552])('%i bytes, routers tell -> every byte, without a timeout (RFC 1191)', (mtu) => {
    const { server, tookUs } = transfer(mtu, true)
    expect(server.slowCount('pathMtuTold')).toBe(1)
    expect(server.slowCount('rtoTimeouts')).toBe(0)
    expect(tookUs).toBeLessThan(1_000_000)
  })

  it.each([1499, 1400, 1280, 1006, 552])('%i bytes, nobody tells -> every byte, once steps are small enough (RFC 8899)', (mtu) => {
    const { server, tookUs } = transfer(mtu, false)
    expect(server.slowCount('pathMtuGuessed')).toBeGreaterThan(0)
    expect(tookUs).toBeLessThan(40_000_000)
  })
})
