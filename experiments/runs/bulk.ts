/** Long flows through one port: what experiments 1 to 3 have in common. */
import type { Fabric, Flow, Node, OutputPort, PortOptions } from '../engine/index.js'
import type { NodeOptions } from '../engine/node.js'
import { transmissionUs } from '../engine/index.js'
import { makeStar, type Star, starIp } from '../topology/star.js'

/** Payload and frame of a full segment: MTU 1500, timestamps. */
export const SEGMENT_PAYLOAD_BYTES = 1448
export const SEGMENT_FRAME_BYTES = 1514

/** A bottleneck as in the paper of DCTCP (3.4 and 4): 10 Gbit/s, and K for it. */
export const MARKING_PORT: PortOptions = { rateKbps: 10_000_000, delayUs: 25, queuePackets: 500, markPackets: 65 }

/** Payload that a port can carry, kbit/s. */
export function goodputKbps(rateKbps: number): number {
  return (SEGMENT_PAYLOAD_BYTES * 8000) / transmissionUs(SEGMENT_FRAME_BYTES, rateKbps)
}

/** Round-trip time of a full segment over a star's links while nothing waits, microseconds. */
export function baseRttUs({ rateKbps, delayUs }: PortOptions): number {
  return 4 * delayUs + 2 * transmissionUs(SEGMENT_FRAME_BYTES, rateKbps) + 2 * transmissionUs(0, rateKbps)
}

export interface BulkOptions {
  readonly seed: number
  readonly port: PortOptions
  readonly senders: number
  readonly flows: number
  /** Flows begin to send at random within this time, 0: all at once; null: when `FlowProgram.begin` says so. */
  readonly spreadUs: number | null
  readonly bufBytes: number
  readonly cc: NonNullable<NodeOptions['cc']>
  readonly tcp?: NonNullable<NodeOptions['tcp']>
}

export interface Bulk {
  readonly star: Star
  readonly fabric: Fabric
  readonly flows: readonly Flow[]
  /** When the first could begin, microseconds since the beginning. */
  readonly startUs: number
  /** The host that sends flow `index`. */
  readonly senderOf: (index: number) => Node
  /** To the receiver. */
  readonly bottleneck: OutputPort
}

/** Rows of a flow table with room to spare. */
export function tableRows(count: number): number {
  return Math.max(64, 2 ** Math.ceil(Math.log2(count + 1)))
}

/** No more of them in a millisecond than a host takes for no flood (service/fast/admission.ts): what it drops is sent again for seconds. */
const HANDSHAKE_US = 40
const HANDSHAKES_END_US = 1_000

/**
 * Opens `count` flows one after the other, so that no queue grows. They are open afterwards, and send when `FlowProgram.begin` says so. Throws
 * Error if one is not: handshakes that go on would be in all that is measured.
 */
export function openFlows(fabric: Fabric, count: number, open: (index: number) => Flow): Flow[] {
  const flows = Array.from({ length: count }, (_, i) => {
    fabric.pass(HANDSHAKE_US)
    return open(i)
  })
  fabric.pass(HANDSHAKES_END_US)
  const missing = flows.filter(({ connection }) => connection === null).length
  if (missing > 0) throw new Error(`${missing} of ${count} connections are not open ${HANDSHAKES_END_US} us after the last was begun`)
  return flows
}

/** `senders` hosts have `flows` connections to host 0, which begin to send as `spreadUs` says, without end. */
export function startBulk(options: BulkOptions): Bulk {
  const { bufBytes, cc, flows: count, port, seed, senders, spreadUs } = options
  const tcp = options.tcp ?? {}
  const star = makeStar({
    seed, hosts: senders + 1, port,
    host: (index) => ({ flows: tableRows(index === 0 ? count : Math.ceil(count / senders)), bufBytes, cc, tcp }),
  })
  const { fabric, nodes } = star
  const senderOf = (index: number): Node => nodes[1 + (index % senders)]
  const flows = openFlows(fabric, count, (i) => senderOf(i).program.open(starIp(0), Infinity))
  const startUs = fabric.elapsedUs
  if (spreadUs !== null) flows.forEach((flow, i) => fabric.at(startUs + fabric.random.fraction() * spreadUs, () => senderOf(i).program.begin(flow)))
  return { star, fabric, flows, startUs, senderOf, bottleneck: star.ports[0] }
}
