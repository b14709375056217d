/** What of IPv6 the host has, seen without a socket: hooks of `async_hooks` would hear of one that was tried. */
import { readFileSync } from 'node:fs'
import { TCP, TCP_SERVER } from './internals.js'

const ADDRESSES = '/proc/net/if_inet6'
const LOOPBACK = '00000000000000000000000000000001'

let ipv6: boolean | null = null

/** Whether a socket can be bound to `::`: the file is there if the kernel has IPv6 at all. Found out once. */
export function hasIpv6(): boolean {
  ipv6 ??= addresses() !== null || canBind()
  return ipv6
}

/** Whether there may be `::1`; it comes and goes with a setting of the host. */
export function mayHaveLoopback(): boolean {
  return addresses()?.includes(LOOPBACK) ?? true
}

/** The host's addresses, null if they cannot be read. */
function addresses(): string | null {
  try {
    return readFileSync(ADDRESSES, 'latin1')
  } catch {
    return null
  }
}

function canBind(): boolean {
  const probe = new TCP(TCP_SERVER)
  const isBound = probe.bind6('::', 0) === 0
  probe.close()
  return isBound
}
