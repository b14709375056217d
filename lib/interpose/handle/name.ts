/** Addresses as a handle shows them. */
import type { SocketName } from '../internals.js'

/** Fills in `out` as uv_tcp_getsockname does: an IPv4 address of an IPv6 socket is shown mapped (RFC 4291, 2.5.5.2). */
export function writeName(out: SocketName, address: string, port: number, isIpv6: boolean): void {
  out.address = isIpv6 && !address.includes(':') ? `::ffff:${address}` : address
  out.family = isIpv6 ? 'IPv6' : 'IPv4'
  out.port = port
}
