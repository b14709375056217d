/** Attached contexts: Node's event loop runs the stack, and sleeps when there is nothing to do. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { LoopDriver } from '../../lib/embedded/loop.js'
import {
  CONN_CLOSED, CONN_OPEN, CONN_RECEIVED, CONN_RXCLOSED, LISTEN_ACCEPT, LISTEN_NEWCONN, LISTEN_OPEN, type Connection, type Tas, type TasEvent,
} from '../../lib/tas/index.js'
import {
  ARP_BYTES, ARP_REPLY, ARP_REQUEST, emitArp, emitEthernet, ETHERNET_HEADER_BYTES, ETHERTYPE_ARP, MAC_BROADCAST, parseArp,
} from '../../lib/wire/index.js'
import { Clock, EventFd, nowUs, yieldCpu, type MemoryPort } from '../../native/index.js'
import type { Stack } from '../../lib/embedded/stack.js'
import { memoryStack } from './memorystack.js'

const OWN_IP = 0x0a000001
const OTHER_IP = 0x0a000002
const OWN_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1)
const OTHER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 2)
const PORT = 80
/** Long enough for everything that a test has begun to come to rest: longer than the least retransmission timeout, which is looked at once more. */
const QUIET_MS = 300

interface Host {
  readonly tas: Tas
  readonly stack: Stack
  readonly port: MemoryPort
  readonly sent: Uint8Array[]
  isClosed: boolean
  /** A frame comes, which the port's descriptor announces. */
  deliver(frame: Uint8Array): void
}

const hosts: Host[] = []
afterEach(() => { for (const host of hosts.splice(0)) host.tas.close() })

/** A TAS in this thread with a real clock, whose port is an eventfd to the event loop. */
function makeHost(): Host {
  const frames = new EventFd()
  const sent: Uint8Array[] = []
  const { stack, port, connect } = memoryStack({
    ip: OWN_IP, bufLen: 1 << 14, mac: OWN_MAC, random: { u32: () => Math.floor(Math.random() * 2 ** 32) }, secret: new Uint8Array(16),
    clock: new Clock(), nowUs, yieldCpu, block: () => { throw new Error('nobody blocks here') }, onTransmit: (frame) => void sent.push(frame),
  })
  const receive = port.receive.bind(port)
  port.receive = () => {
    frames.drain()
    return receive()
  }
  const driver = new LoopDriver(stack, frames.fd)
  const tas = connect(driver, () => {
    driver.close()
    frames.close()
    host.isClosed = true
  })
  const host: Host = {
    tas, stack, port, sent, isClosed: false,
    deliver: (frame) => {
      port.inject(frame)
      frames.wake()
    },
  }
  hosts.push(host)
  return host
}

async function until(what: string, condition: () => boolean): Promise<void> {
  await vi.waitFor(() => { if (!condition()) throw new Error(`not yet: ${what}`) }, { timeout: 20_000, interval: 1 })
}

/** Waits until the event loop has nothing to do for the stack any more. Returns how often it advances in the time after that. */
async function advancesAtRest({ stack }: Host): Promise<number> {
  const advance = vi.spyOn(stack, 'advance')
  const counts: number[] = []
  await vi.waitFor(async () => {
    counts.push(advance.mock.calls.length)
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
    if (advance.mock.calls.length !== counts.at(-1)) throw new Error('it does not come to rest')
  }, { timeout: 20_000 })
  const before = advance.mock.calls.length
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
  const count = advance.mock.calls.length - before
  advance.mockRestore()
  return count
}

function arpRequest(): Uint8Array {
  const frame = new Uint8Array(ETHERNET_HEADER_BYTES + ARP_BYTES)
  emitEthernet(frame, { target: MAC_BROADCAST, source: OTHER_MAC, etherType: ETHERTYPE_ARP })
  emitArp(frame, ETHERNET_HEADER_BYTES, {
    operation: ARP_REQUEST, senderMac: OTHER_MAC, senderIp: OTHER_IP, targetMac: new Uint8Array(6), targetIp: OWN_IP,
  })
  return frame
}

function arpsSent({ sent }: Host, operation: number, targetIp: number): number {
  return sent.filter((frame) => {
    const packet = parseArp(frame, ETHERNET_HEADER_BYTES)
    return packet?.operation === operation && packet.targetIp === targetIp
  }).length
}

/** Serves on PORT what `handle` does with bytes. */
function serve(tas: Tas, handle: (event: TasEvent) => void): () => boolean {
  const context = tas.createContext()
  let isListening = false
  context.listen(PORT)
  context.attach((event) => {
    if (event.type === LISTEN_OPEN) isListening = event.status === 0
    if (event.type === LISTEN_NEWCONN) event.listener.accept()
    if (event.type === CONN_RXCLOSED) event.connection.close()
    handle(event)
  })
  return () => isListening
}

describe('embedded TAS in the event loop', () => {
  it('two attached contexts, one calls the other, both write in handlers and outside -> all arrives, then no turn', async () => {
    const host = makeHost()
    const heard: string[] = []
    const accepted: Connection[] = []
    const note = (who: string, event: TasEvent): void => {
      if (event.type !== CONN_RECEIVED) return
      heard.push(`${who} ${Buffer.from(event.bytes).toString()}`)
      event.connection.rxDone(event.total)
    }
    const listening = serve(host.tas, (event) => {
      note('server', event)
      if (event.type === LISTEN_ACCEPT) accepted.push(event.connection)
      if (event.type === CONN_RECEIVED) event.connection.write(Buffer.from('pong'))
    })
    await until('it listens', listening)
    const client = host.tas.createContext()
    let isClosed = false
    client.attach((event) => {
      note('client', event)
      if (event.type === CONN_OPEN) event.connection.write(Buffer.from('ping'))
      if (event.type === CONN_CLOSED) isClosed = true
    })
    const connection = client.connect(OWN_IP, PORT)
    await until('an answer', () => heard.length === 2)
    expect(await advancesAtRest(host)).toBe(0)
    accepted[0].write(Buffer.from('unasked'))
    await until('what nobody asked for', () => heard.length === 3)
    expect(heard).toEqual(['server ping', 'client pong', 'client unasked'])
    connection.close()
    await until('its end', () => isClosed)
  })

  it('asleep, a frame comes -> it is answered, then no turn', async () => {
    const host = makeHost()
    host.tas.createContext().attach(() => undefined)
    expect(await advancesAtRest(host)).toBe(0)
    expect(arpsSent(host, ARP_REPLY, OTHER_IP)).toBe(0)
    host.deliver(arpRequest())
    await until('the answer', () => arpsSent(host, ARP_REPLY, OTHER_IP) === 1)
    expect(await advancesAtRest(host)).toBe(0)
  })

  it('nobody answers -> requests are repeated when they are due', async () => {
    const host = makeHost()
    const context = host.tas.createContext()
    context.attach(() => undefined)
    context.connect(OTHER_IP, PORT)
    await until('four requests', () => arpsSent(host, ARP_REQUEST, OTHER_IP) >= 4)
  })

  it('detached -> frames wait; polled or attached again -> they are answered', async () => {
    const host = makeHost()
    const context = host.tas.createContext()
    context.attach(() => undefined)
    expect(await advancesAtRest(host)).toBe(0)
    context.detach()
    host.deliver(arpRequest())
    expect(await advancesAtRest(host)).toBe(0)
    expect(arpsSent(host, ARP_REPLY, OTHER_IP)).toBe(0)
    for (let polls = 0; polls < 3; polls++) context.poll([])
    expect(arpsSent(host, ARP_REPLY, OTHER_IP)).toBe(1)
    context.attach(() => undefined)
    host.deliver(arpRequest())
    await until('the second answer', () => arpsSent(host, ARP_REPLY, OTHER_IP) === 2)
  })

  it('closed in a handler -> nothing is delivered any more, everything is taken back', async () => {
    const host = makeHost()
    const events: number[] = []
    const context = host.tas.createContext()
    context.listen(PORT)
    context.listen(PORT + 1)
    context.attach((event) => {
      events.push(event.type)
      host.tas.close()
    })
    await until('the end', () => host.isClosed)
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
    expect(events).toEqual([LISTEN_OPEN])
  })
})
