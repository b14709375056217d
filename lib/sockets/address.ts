/** Socket addresses (struct sockaddr_in): what calls take and give. */
import { isIPv4 } from 'node:net'
import { AF_INET } from './constants.js'
import { SocketError } from './errors.js'

/** An IPv4 address and a port (ip(7)). */
export interface SocketAddress {
  /** AF_INET; may be left out where a call takes an address. */
  family?: number
  /** '10.0.0.1'; '0.0.0.0' is INADDR_ANY. */
  address: string
  /** In host order; 0 lets TAS choose. */
  port: number
}

/** Throws SocketError EAFNOSUPPORT or EINVAL unless `address` is an IPv4 address and a port from `leastPort` on. */
export function checkAddress(address: SocketAddress, leastPort: number, syscall: string): void {
  const { family = AF_INET, address: ip, port } = address
  if (family !== AF_INET) throw new SocketError('EAFNOSUPPORT', syscall, `address family ${family}: want AF_INET (${AF_INET})`)
  if (!isIPv4(ip)) throw new SocketError('EINVAL', syscall, `address ${JSON.stringify(ip)}: want an IPv4 address such as '10.0.0.1'`)
  if (Number.isInteger(port) && port >= leastPort && port <= 0xffff) return
  throw new SocketError('EINVAL', syscall, `port ${port}: want an integer from ${leastPort} to 65535`)
}

/** Fills in an address that a caller handed in. */
export function fillAddress(target: SocketAddress, address: string, port: number): void {
  target.family = AF_INET
  target.address = address
  target.port = port
}
