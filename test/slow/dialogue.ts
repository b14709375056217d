/**
 * A whole host (slow path, worker, a program on the library) and a peer that the test plays line by line, in the notation of the
 * figures of RFC 9293. Numbers are those of the text: ours are moved by what our ISS really is.
 *
 *   listen, open            the program's passive or active OPEN
 *   established 300 100     a handshake after which SND.NXT is 300 and RCV.NXT 100 (we listen)
 *   send N, stop            SEND of N bytes; no RECEIVE from here on
 *   close, shut, abort     CLOSE of both directions; CLOSE of ours alone; ABORT
 *   in  <SEQ=300><ACK=101><CTL=SYN,ACK><DATA=10><UP=3><WND=1000>     a segment of the peer; UP and CTL=URG: urgent data
 *   out <SEQ=101><ACK=301><CTL=ACK>     what we send next; PSH is not looked at, nothing else may be left over
 *   state X, error N, received N        state afterwards; errno the program was told; bytes it has received
 *   urgent N EVENTS         bytes to the end of urgent data (rxUrgent); how often the program was told of such
 *   read N                  gives N received bytes back, after `stop`
 *   wait N                  milliseconds
 */
import { expect } from 'vitest'
import {
  CONN_CLOSED, CONN_OPEN, CONN_RECEIVED, CONN_URGENT, createEvents, LISTEN_ACCEPT, type Connection, type TasEvent,
} from '../../lib/tas/index.js'
import * as wire from '../../lib/wire/index.js'
import { SimHost, type HostOptions } from '../sim/host.js'
import { SimNetwork } from '../sim/network.js'
import { arpFrame, LISTEN_PORT, OUR_IP, parseSent, PEER_IP, PEER_PORT, segmentFrame, type SegmentOptions } from './frames.js'

const REMOTE_PORT = 8080
const FLAGS: Readonly<Record<string, number>> = {
  FIN: wire.TCP_FIN, SYN: wire.TCP_SYN, RST: wire.TCP_RST, PSH: wire.TCP_PSH, ACK: wire.TCP_ACK, URG: wire.TCP_URG,
}

/** The link to a peer that is the test: what the host sends is kept. */
class PeerLink extends SimNetwork {
  readonly frames: Uint8Array[] = []

  override send(_from: SimHost, frame: Uint8Array): void {
    this.framesSent++
    if (frame[12] === 8 && frame[13] === 0 && frame[23] === wire.PROTOCOL_TCP) this.frames.push(frame.slice())
  }
}

interface Fields {
  readonly seq: number
  readonly ack: number | null
  readonly flags: number
  readonly dataLen: number
  readonly urgent: number
  readonly window: number
}

function parseFields(text: string): Fields {
  const field = (name: string): string | null => new RegExp(`<${name}=([^>]*)>`).exec(text)?.[1] ?? null
  const ack = field('ACK')
  const names = (field('CTL') ?? '').split(',').filter((name) => name !== '')
  return {
    seq: Number(field('SEQ')), ack: ack === null ? null : Number(ack), dataLen: Number(field('DATA') ?? 0),
    flags: names.reduce((flags, name) => flags | FLAGS[name], 0), urgent: Number(field('UP') ?? 0), window: Number(field('WND') ?? 4096),
  }
}

export class Dialogue {
  readonly net = new PeerLink(1)
  readonly host: SimHost
  private readonly context
  private readonly events = createEvents(8)
  private connection: Connection | null = null
  /** What is added to numbers of ours in the text. */
  private ours = 0
  private localPort = LISTEN_PORT
  private remotePort = PEER_PORT
  private received = 0
  private urgentEvents = 0
  private reads = true
  private error = 0

  constructor(options: Partial<HostOptions> = {}) {
    this.host = new SimHost(this.net, { ip: OUR_IP, ...options })
    this.context = this.host.connectApp('test').tas.createContext()
    this.rest()
    this.host.receive(arpFrame({}))
    this.rest()
  }

  /** Plays all lines. */
  play(lines: readonly string[]): this {
    for (const line of lines) this.line(line)
    expect(this.net.frames.map(describeFrame), 'left over').toEqual([])
    return this
  }

  /** Sends any segment of the peer, with numbers as on the wire. */
  inject(segment: SegmentOptions): void {
    this.injectFrame(this.frame(segment))
  }

  /** The frame of a segment of the peer, with numbers as on the wire. */
  frame(segment: SegmentOptions): Uint8Array {
    return segmentFrame({ remotePort: this.remotePort, localPort: this.localPort, ...segment })
  }

  /** Sends a frame as it is. */
  injectFrame(frame: Uint8Array): void {
    this.host.receive(frame)
    this.rest()
  }

  /** What is added to numbers of ours in the text to get those on the wire. */
  get offset(): number {
    return this.ours
  }

  private line(line: string): void {
    const [verb, ...words] = line.trim().split(/\s+/)
    const value = Number(words[0])
    if (verb === 'in') this.in(parseFields(words[0]))
    else if (verb === 'out') this.out(parseFields(words[0]), line)
    else if (verb === 'state') expect(this.state, line).toBe(words[0])
    else if (verb === 'error') expect(this.error, line).toBe(value)
    else if (verb === 'received') expect(this.received, line).toBe(value)
    else if (verb === 'urgent') expect([this.connection?.rxUrgent, this.urgentEvents], line).toEqual([value, Number(words[1])])
    else if (verb === 'wait') this.pass(value)
    else if (verb === 'established') this.establish(value, Number(words[1]))
    else this.call(verb, value)
    this.rest()
  }

  /** So many milliseconds pass, from one thing that is due to the next. */
  pass(ms: number): void {
    const endUs = this.net.nowUs + ms * 1000
    for (let dueUs = this.host.nextDeadlineUs(); dueUs <= endUs; dueUs = this.host.nextDeadlineUs()) {
      this.net.nowUs = Math.max(this.net.nowUs, Math.ceil(dueUs))
      this.rest()
    }
    this.net.nowUs = endUs
  }

  private call(verb: string, value: number): void {
    if (verb === 'listen') this.connection = this.context.listen(LISTEN_PORT).accept()
    else if (verb === 'open') this.open()
    else if (verb === 'send') this.connection?.write(new Uint8Array(value))
    else if (verb === 'stop') this.reads = false
    else if (verb === 'read') this.connection?.rxDone(value)
    else if (verb === 'close') this.connection?.close()
    else if (verb === 'shut') this.connection?.txClose()
    else if (verb === 'abort') this.connection?.abort()
    else throw new Error(`what is ${verb}?`)
  }

  private open(): void {
    this.remotePort = REMOTE_PORT
    this.connection = this.context.connect(PEER_IP, REMOTE_PORT)
  }

  private establish(sndNxt: number, rcvNxt: number): void {
    const [iss, irs] = [sndNxt - 1, rcvNxt - 1]
    this.call('listen', 0)
    this.rest()
    this.in(parseFields(`<SEQ=${irs}><CTL=SYN>`))
    this.out(parseFields(`<SEQ=${iss}><ACK=${rcvNxt}><CTL=SYN,ACK>`), 'SYN-ACK')
    this.in(parseFields(`<SEQ=${rcvNxt}><ACK=${sndNxt}><CTL=ACK>`))
    expect(this.state).toBe('ESTABLISHED')
  }

  private in({ seq, ack, flags, dataLen, urgent, window }: Fields): void {
    const payload = new Uint8Array(dataLen)
    this.inject({ seq, ack: ack === null ? 0 : (ack + this.ours) | 0, flags, payload, urgent, window })
  }

  private out(want: Fields, line: string): void {
    const frame = this.net.frames.shift()
    if (frame === undefined) throw new Error(`${line}: nothing was sent`)
    const sent = parseSent(frame)
    if ((want.flags & wire.TCP_SYN) !== 0) this.ours = (sent.seq - want.seq) | 0
    // A RST without ACK takes its number from the peer's acknowledgment; one with ACK has number 0 or ours.
    if ((sent.flags & wire.TCP_SYN) !== 0) this.localPort = sent.sourcePort
    const isStateless = (sent.flags & (wire.TCP_RST | wire.TCP_ACK)) === (wire.TCP_RST | wire.TCP_ACK) && sent.seq === 0
    const found = {
      seq: isStateless ? 0 : (sent.seq - this.ours) | 0, ack: (sent.flags & wire.TCP_ACK) !== 0 ? sent.ack : null,
      flags: sent.flags & ~wire.TCP_PSH, dataLen: sent.payloadLen,
    }
    const { seq, ack, flags, dataLen } = want
    expect(found, line).toEqual({ seq, ack, flags, dataLen })
  }

  /** The connection's state; LISTEN and CLOSED have no record of their own. */
  private get state(): string {
    const [connection] = [...this.host.slow['stack'].connections.each()].filter(({ remotePort }) => remotePort === this.remotePort)
    return connection?.state ?? 'CLOSED'
  }

  /** Lets everybody work until nobody has anything to do; no time passes. */
  private rest(): void {
    do {
      this.context.flush()
      this.net.run(() => true, 0)
    } while (this.pollProgram() > 0)
  }

  private pollProgram(): number {
    const count = this.context.poll(this.events)
    for (const event of this.events.slice(0, count)) this.handle(event)
    return count
  }

  private handle(event: TasEvent): void {
    if (event.type === CONN_RECEIVED) {
      this.received += event.total
      if (this.reads) event.connection.rxDone(event.total)
    }
    if (event.type === CONN_URGENT) this.urgentEvents++
    if (event.type === CONN_CLOSED || event.type === CONN_OPEN || event.type === LISTEN_ACCEPT) this.error = event.status
  }
}

function describeFrame(frame: Uint8Array): string {
  const { seq, ack, flags, payloadLen } = parseSent(frame)
  const names = Object.keys(FLAGS).filter((name) => (flags & FLAGS[name]) !== 0)
  return `<SEQ=${seq}><ACK=${ack}><CTL=${names.join(',')}><DATA=${payloadLen}>`
}
