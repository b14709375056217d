/** IP_OPTIONS: IP options as bytes, of which there may be one, a source route (RFC 791, 3.1; ip(7)). */
import type { SourceRoute } from '../tas/index.js'
import { SocketError } from './errors.js'

const END = 0
const NOP = 1
const LOOSE_ROUTE = 131
const STRICT_ROUTE = 137
/** Kind, length, pointer; and the pointer to the first hop, which counts from 1. */
const START_BYTES = 3
const POINTER = 4
const HOP_BYTES = 4
const OPTIONS_MAX_BYTES = 40

/**
 * The source route that `bytes` ask for, as Linux takes it: the hops in order, the peer's address not among them; undefined for none. Throws
 * SocketError EINVAL for anything else.
 */
export function routeOfOptions(bytes: Uint8Array): SourceRoute | undefined {
  if (bytes.length > OPTIONS_MAX_BYTES) throw refused(`more than ${OPTIONS_MAX_BYTES} bytes`)
  const start = bytes.findIndex((byte) => byte !== NOP)
  if (start < 0 || bytes[start] === END) return undefined
  const [kind, length = 0, pointer] = bytes.subarray(start)
  if (kind !== LOOSE_ROUTE && kind !== STRICT_ROUTE) throw refused(`option ${kind}: only source routes can be had`)
  const end = start + length
  const isSound = length >= START_BYTES + HOP_BYTES && (length - START_BYTES) % HOP_BYTES === 0 && pointer === POINTER && end <= bytes.length
  if (!isSound) throw refused('the source route has a wrong length or pointer')
  if (bytes.subarray(end).some((byte) => byte !== NOP && byte !== END)) throw refused('only one source route can be had')
  const hops: string[] = []
  for (let at = start + START_BYTES; at < end; at += HOP_BYTES) hops.push(bytes.subarray(at, at + HOP_BYTES).join('.'))
  return { hops, strict: kind === STRICT_ROUTE }
}

function refused(what: string): SocketError {
  return new SocketError('EINVAL', 'setsockopt', `IP_OPTIONS: ${what}`)
}
