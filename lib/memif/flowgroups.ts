/**
 * Groups of flows: what is steered to workers and moves between them. The group of a connection follows from its addresses and
 * ports alone and is the same in both directions, so that both ends of a connection within one TAS belong to one worker.
 *
 *   group = upper 7 bits of ((localIp ^ remoteIp) ^ (localPort ^ remotePort) << 16) * 0x9e3779b1
 *
 * Classic BPF computes the same over received packets (service/steerprogram.ts). Fibonacci hashing (Knuth, TAOCP 3, 6.4): ports
 * and addresses of a subnet in steps of whatever size spread evenly. About 1 ns.
 */
import { STATE_GROUPS_U8 } from './stateregion.js'

export const FLOW_GROUPS = 128
/** Multiplier of the hash, and shift that leaves a group's number. */
export const FLOW_GROUP_FACTOR = 0x9e3779b1
export const FLOW_GROUP_SHIFT = 25

/** Group of a connection. Addresses are signed words (10.0.0.1 is 0x0a000001), ports 0 to 65535. */
export function flowGroup(localIp: number, localPort: number, remoteIp: number, remotePort: number): number {
  return Math.imul(localIp ^ remoteIp ^ ((localPort ^ remotePort) << 16), FLOW_GROUP_FACTOR) >>> FLOW_GROUP_SHIFT
}

const ETHERNET_BYTES = 14
const IP_BYTES_MIN = 20
const PROTOCOL_AT = ETHERNET_BYTES + 9
const TCP = 6

/**
 * Group of the frame of `len` bytes at `eth`; -1 for what is no TCP segment over IPv4, or a fragment: that is worker 0's.
 */
export function frameGroup(bytes: Uint8Array, eth: number, len: number): number {
  if (len < ETHERNET_BYTES + IP_BYTES_MIN || bytes[eth + 12] !== 8 || bytes[eth + 13] !== 0) return -1
  const ip = eth + ETHERNET_BYTES
  const ports = ip + (bytes[ip] & 0xf) * 4
  const isFragment = (bytes[ip + 6] & 0x3f) !== 0 || bytes[ip + 7] !== 0
  if (bytes[eth + PROTOCOL_AT] !== TCP || isFragment || ports + 4 > eth + len) return -1
  return flowGroup(word(bytes, ip + 12), half(bytes, ports), word(bytes, ip + 16), half(bytes, ports + 2))
}

/** Worker of a frame, by the table in the state region: `bytes` are its bytes. */
export function workerOfFrame(state: Uint8Array, frame: Uint8Array, eth: number, len: number): number {
  const group = frameGroup(frame, eth, len)
  return group < 0 ? 0 : state[STATE_GROUPS_U8 + group]
}

function half(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1]
}

function word(bytes: Uint8Array, at: number): number {
  return (half(bytes, at) << 16) | half(bytes, at + 2)
}
