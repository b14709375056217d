/**
 * What hosts share: time, random numbers, and addresses. The network answers ARP itself, as fabrics with a directory do (VL2, SIGCOMM
 * 2009): a broadcast to hundreds of hosts is not what an experiment is about.
 */
import {
  ARP_BYTES, ARP_REPLY, ARP_REQUEST, emitArp, emitEthernet, ETHERNET_HEADER_BYTES, ETHERTYPE_ARP, MAC_BYTES, parseArp, readU16,
} from '../../lib/wire/index.js'
import type { HostNetwork, SimHost } from '../../test/sim/host.js'
import { SeededRandom } from '../../tools/linkem/index.js'
import type { OutputPort } from './outputport.js'
import { Timeline } from './timeline.js'

const START_US = 1_000_000
const ETHERTYPE_AT = 12

/** MAC address of the host with address `ip`: 02:00 and the address. */
export function macOf(ip: number): Uint8Array {
  return Uint8Array.of(2, 0, ip >>> 24, ip >>> 16, ip >>> 8, ip)
}

export class Fabric implements HostNetwork {
  readonly timeline = new Timeline(START_US)
  readonly random: SeededRandom
  framesSent = 0
  /** Sees every frame that a host sends, with the time. */
  onSend: ((from: SimHost, frame: Uint8Array, nowUs: number) => void) | null = null
  private readonly uplinks = new Map<SimHost, OutputPort>()

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
  }

  /** Whole microseconds: the clock that hosts read. */
  get nowUs(): number {
    return Math.floor(this.timeline.nowUs)
  }

  /** Time since the beginning, microseconds. */
  get elapsedUs(): number {
    return this.timeline.nowUs - START_US
  }

  /** Lets `us` microseconds pass. */
  pass(us: number): void {
    this.timeline.run(this.timeline.nowUs + us)
  }

  /** Calls `act` at `atUs` microseconds after the beginning. */
  at(atUs: number, act: () => void): void {
    const turn = this.timeline.add({ act })
    this.timeline.set(turn, START_US + atUs)
  }

  /** Calls `act` every `everyUs` microseconds from now on, with the time since the beginning. */
  every(everyUs: number, act: (elapsedUs: number) => void): void {
    const turn = this.timeline.add({
      act: (nowUs) => {
        act(nowUs - START_US)
        this.timeline.set(turn, nowUs + everyUs)
      },
    })
    this.timeline.set(turn, this.timeline.nowUs + everyUs)
  }

  join(): void {}

  /** What `host` sends leaves by `port`. */
  connect(host: SimHost, port: OutputPort): void {
    this.uplinks.set(host, port)
  }

  send(from: SimHost, frame: Uint8Array): void {
    this.framesSent++
    if (readU16(frame, ETHERTYPE_AT) === ETHERTYPE_ARP) return this.answerArp(from, frame)
    this.onSend?.(from, frame, this.timeline.nowUs)
    this.uplinks.get(from)?.offer(frame, this.timeline.nowUs)
  }

  private answerArp(from: SimHost, frame: Uint8Array): void {
    const request = parseArp(frame, ETHERNET_HEADER_BYTES)
    if (request === null || request.operation !== ARP_REQUEST || request.targetIp === request.senderIp) return
    const reply = new Uint8Array(ETHERNET_HEADER_BYTES + ARP_BYTES)
    const mac = macOf(request.targetIp)
    emitEthernet(reply, { target: frame.slice(MAC_BYTES, 2 * MAC_BYTES), source: mac, etherType: ETHERTYPE_ARP })
    emitArp(reply, ETHERNET_HEADER_BYTES, {
      operation: ARP_REPLY, senderMac: mac, senderIp: request.targetIp, targetMac: request.senderMac, targetIp: request.senderIp,
    })
    from.receive(reply)
  }
}
