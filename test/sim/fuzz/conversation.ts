/**
 * Stateful fuzzing: two hosts converse while somebody injects segments in the name of one of them. Segments that fail the checks of RFC
 * 9293, 3.10.7.4 and RFC 5961 must change nothing: every byte arrives, both ends close well. Anything else may end the connection, but
 * throws nothing and leaves nothing behind.
 */
import { TCB_RCV_NXT, TCB_SND_MAX, TCB_WORDS } from '../../../lib/memif/index.js'
import * as wire from '../../../lib/wire/index.js'
import { SimHost } from '../host.js'
import { GOOD_LINK, SimNetwork } from '../network.js'
import { Program, type Transfer } from '../programs.js'
import { Draw } from '../seeds/draw.js'
import { mutate } from './parsers.js'

const SERVER_IP = 0x0a000001
const CLIENT_IP = 0x0a000002
const PORT = 80
const SECOND_US = 1_000_000
const IP_AT = wire.ETHERNET_HEADER_BYTES
const TCP_AT = IP_AT + wire.IPV4_HEADER_BYTES
const BYTES_MAX = 60_000
/** No window reaches so far. */
const FAR = 1 << 24

/** What the forger knows of the connection: its ports, and perhaps its numbers. */
interface Numbers {
  readonly clientPort: number
  readonly rcvNxt: number
  readonly sndMax: number
}

type Forged = Pick<wire.TcpHeader, 'flags' | 'seq' | 'ack'> & { readonly data: number }

/** Segments that no receiver may act on, whatever it is in the middle of. */
const HARMLESS: Readonly<Record<string, (draw: Draw, known: Numbers) => Forged>> = {
  dataBeyondWindow: (draw, { rcvNxt, sndMax }) => ({ flags: wire.TCP_ACK | wire.TCP_PSH, seq: far(draw, rcvNxt), ack: sndMax, data: 1 + draw.below(1000) }),
  dataWithFutureAck: (draw, { rcvNxt, sndMax }) => ({ flags: wire.TCP_ACK, seq: rcvNxt, ack: ahead(draw, sndMax), data: 1 + draw.below(1000) }),
  dataWithOldAck: (draw, { rcvNxt, sndMax }) => ({ flags: wire.TCP_ACK, seq: rcvNxt, ack: behind(draw, sndMax), data: 1 + draw.below(1000) }),
  finBeyondWindow: (draw, { rcvNxt, sndMax }) => ({ flags: wire.TCP_ACK | wire.TCP_FIN, seq: ahead(draw, rcvNxt), ack: sndMax, data: 0 }),
  resetBeyondWindow: (draw, { rcvNxt }) => ({ flags: wire.TCP_RST, seq: far(draw, rcvNxt), ack: 0, data: 0 }),
  syn: (draw, { rcvNxt }) => ({ flags: wire.TCP_SYN, seq: draw.chance(0.5) ? rcvNxt : draw.u32() | 0, ack: 0, data: 0 }),
  synAck: (_, { rcvNxt, sndMax }) => ({ flags: wire.TCP_SYN | wire.TCP_ACK, seq: rcvNxt, ack: sndMax, data: 0 }),
  nothing: (draw, { rcvNxt, sndMax }) => ({ flags: 0, seq: rcvNxt, ack: sndMax, data: draw.below(100) }),
}

/** What may do harm: numbers near the right ones, any flags. */
function nearRight(draw: Draw, { rcvNxt, sndMax }: Numbers): Forged {
  const near = (): number => draw.pick([0, 0, 0, 1, -1, draw.below(3000) - 1000, draw.below(200_000) - 100_000])
  return { flags: draw.pick([draw.below(256), wire.TCP_ACK, wire.TCP_ACK | wire.TCP_FIN, wire.TCP_RST]), seq: wire.seqAdd(rcvNxt, near()), ack: wire.seqAdd(sndMax, near()), data: draw.below(1400) }
}

function ahead(draw: Draw, from: number): number {
  return wire.seqAdd(from, FAR + draw.below(2 ** 30))
}

function behind(draw: Draw, from: number): number {
  return wire.seqAdd(from, -FAR - draw.below(2 ** 30))
}

function far(draw: Draw, from: number): number {
  return draw.chance(0.5) ? ahead(draw, from) : behind(draw, from)
}

class Forger {
  injected = 0
  readonly seen: Uint8Array[] = []
  private readonly draw: Draw
  private readonly server: SimHost
  private readonly isHarmless: boolean

  constructor(draw: Draw, server: SimHost, isHarmless: boolean) {
    this.draw = draw
    this.server = server
    this.isHarmless = isHarmless
  }

  /** Throws one frame at the server. `flow` is the connection's, -1 before there is one. */
  inject(flow: number, clientPort: number): void {
    this.injected++
    const { draw, seen } = this
    const choice = draw.below(4)
    // Exactly what was on the wire before says nothing new; what is changed may.
    if (choice === 0 && seen.length > 0) return this.server.receiveAnything(draw.pick(seen), 0)
    if (choice === 1 && seen.length > 0 && !this.isHarmless) return this.server.receiveAnything(this.resummed(mutate(draw, draw.pick(seen))), 0)
    if (flow < 0) return
    const tcb = this.server.state.tcbWord + flow * TCB_WORDS
    const { words } = this.server.state
    const known = { clientPort, rcvNxt: words[tcb + TCB_RCV_NXT], sndMax: words[tcb + TCB_SND_MAX] }
    const forged = this.isHarmless ? HARMLESS[draw.pick(Object.keys(HARMLESS))](draw, known) : nearRight(draw, known)
    this.server.receiveAnything(this.frame(forged, clientPort), 0)
  }

  private frame({ flags, seq, ack, data }: Forged, clientPort: number): Uint8Array {
    const { draw } = this
    const options = draw.chance(0.3) ? { ...wire.NO_OPTIONS, timestamps: { value: draw.u32() | 0, echo: draw.u32() | 0 } } : wire.NO_OPTIONS
    const header = { sourcePort: clientPort, targetPort: PORT, seq, ack, flags, window: draw.below(65_536), urgent: 0, options: this.isHarmless ? wire.NO_OPTIONS : options }
    const payloadLen = wire.tcpHeaderLen(header) + data
    const frame = new Uint8Array(TCP_AT + payloadLen)
    wire.emitEthernet(frame, { target: this.server.mac, source: Uint8Array.of(2, 9, 9, 9, 9, 9), etherType: wire.ETHERTYPE_IPV4 })
    wire.emitIpv4(frame, IP_AT, { sourceIp: CLIENT_IP, targetIp: SERVER_IP, protocol: wire.PROTOCOL_TCP, ttl: 64, tos: 0, payloadLen })
    frame.set(draw.bytes(data), wire.emitTcp(frame, TCP_AT, header))
    wire.fillTcpChecksum(frame, TCP_AT, payloadLen, CLIENT_IP, SERVER_IP)
    return frame
  }

  /** Sums made right again where the headers can be found. */
  private resummed(frame: Uint8Array): Uint8Array {
    const headerLen = (frame[IP_AT] & 15) * 4
    if (headerLen < 20 || frame.length < IP_AT + headerLen) return frame
    wire.writeU16(frame, IP_AT + 10, 0)
    wire.writeU16(frame, IP_AT + 10, wire.checksum(frame, IP_AT, headerLen))
    const tcpLen = wire.readU16(frame, IP_AT + 2) - headerLen
    const at = IP_AT + headerLen
    if (tcpLen < 20 || at + tcpLen > frame.length) return frame
    wire.fillTcpChecksum(frame, at, tcpLen, wire.readWord(frame, IP_AT + 12), wire.readWord(frame, IP_AT + 16))
    return frame
  }
}

function isSame(received: readonly number[], sent: Uint8Array): boolean {
  return Buffer.compare(Uint8Array.from(received), sent) === 0
}

/** One conversation under fire. Throws for what must not be. Returns how many frames were injected. */
export function fuzzConversation(seed: number): number {
  const draw = new Draw(seed)
  const isHarmless = draw.chance(0.6)
  const net = new SimNetwork(seed, { ...GOOD_LINK, delayUs: draw.logInt(10, 20_000), loss: draw.pick([0, 0, 0.02]) })
  const [server, client] = [SERVER_IP, CLIENT_IP].map((ip) => new SimHost(net, { ip, bufLen: draw.power(11, 15), regionBytes: 1 << 24 }))
  const [serving, calling] = [server, client].map((host) => drive(host))
  const [request, response] = [draw.bytes(draw.logInt(1, BYTES_MAX)), draw.bytes(draw.logInt(1, BYTES_MAX))]
  serving.program.listen(PORT, () => response)
  net.run(() => serving.program.listening, SECOND_US)
  const call = calling.program.connect(SERVER_IP, PORT, request)
  const accepted = (): Transfer | undefined => [...serving.program.transfers.values()].find(({ connection }) => connection.flow >= 0)
  const forger = new Forger(draw, server, isHarmless)
  listen(net, client, forger)
  fire(net, draw, forger, accepted)
  const isOver = (): boolean => call.closed && (accepted()?.closed ?? false)
  const isDone = net.run(isOver, 600 * SECOND_US)
  const answer = accepted()
  if (isHarmless) {
    if (!isDone) throw new Error('the connection does not end')
    if (call.status !== 0 || answer?.status !== 0) throw new Error(`ended with ${call.status} and ${answer?.status}`)
    if (!isSame(call.received, response) || !isSame(answer.received, request)) throw new Error('forged segments have changed the stream')
  }
  expectNothingLeft(net, [{ host: server, app: serving.app }, { host: client, app: calling.app }])
  return forger.injected
}

function drive(host: SimHost): { readonly program: Program; readonly app: number } {
  const { tas, app } = host.connectApp('program')
  const program = new Program(tas.createContext())
  const step = host.step.bind(host)
  const isGone = (): boolean => host.slow.apps['byId'][app]?.isGone !== false
  host.step = (nowUs) => step(nowUs) + (isGone() ? 0 : program.step())
  return { program, app }
}

/** Keeps what the client sends. */
function listen(net: SimNetwork, client: SimHost, forger: Forger): void {
  net.onFrame = (from, frame) => {
    if (from === client && frame[IP_AT + 9] === wire.PROTOCOL_TCP && forger.seen.length < 100) forger.seen.push(frame)
  }
}

/** Injects at random moments, and a few times all at once. */
function fire(net: SimNetwork, draw: Draw, forger: Forger, accepted: () => Transfer | undefined): void {
  let atUs = net.nowUs
  for (let shots = draw.logInt(5, 100); shots > 0; shots--) {
    atUs += draw.logInt(1, 20_000)
    net.schedule(atUs, () => {
      const connection = accepted()?.connection
      const isOpen = connection !== undefined && connection.state === 'open'
      for (let burst = draw.pick([1, 1, 1, 5]); burst > 0; burst--) forger.inject(isOpen ? connection.flow : -1, connection?.remotePort ?? 1)
    })
  }
}

function expectNothingLeft(net: SimNetwork, hosts: readonly { readonly host: SimHost; readonly app: number }[]): void {
  for (const { host, app } of hosts) host.slow.apps.removeApp(app)
  net.faults = GOOD_LINK
  net.run(() => false, 1200 * SECOND_US)
  for (const { host } of hosts) {
    const { timers, connections, flows, state } = host.slow['stack']
    const left = { timers: timers.size, connections: connections.size, flows: state.shape.flows - flows.available, worker: host.fastCount('flows'), bufferBytes: host.slowCount('bufferBytes') }
    if (Object.values(left).some((value) => value !== 0)) throw new Error(`left over: ${JSON.stringify(left)}`)
  }
}
