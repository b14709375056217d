/** What a server is to listen on. */
import type { ListenPlace } from '../handle/listener.js'
import { IPV6_ONLY, REUSE_PORT } from '../internals.js'
import { hasIpv6 } from '../ipv6.js'

/** What to listen on for the arguments of `_listen2`, or null for what is no TCP or only IPv6. */
export function listenPlace(address: unknown, port: unknown, addressType: unknown, flags: unknown): ListenPlace | null {
  if (typeof port !== 'number' || port < 0 || (addressType !== 4 && addressType !== 6)) return null
  const bits = typeof flags === 'number' ? flags : 0
  const isAny = typeof address !== 'string' || address === ''
  const isIpv6 = isAny ? hasIpv6() : addressType === 6
  if (isIpv6 && (bits & IPV6_ONLY) !== 0) return null
  const anywhere = isIpv6 ? '::' : '0.0.0.0'
  return { address: isAny ? anywhere : address, port, isIpv6, flags: bits, isShared: (bits & REUSE_PORT) !== 0 }
}
