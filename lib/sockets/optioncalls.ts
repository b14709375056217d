/** getsockopt and setsockopt. docs/sockets.md lists the options. */
import { IP_OPTIONS, IPPROTO_IP, SO_LINGER, SO_RCVTIMEO, SO_SNDTIMEO, SOL_SOCKET, SOL_TCP, TCP_CONGESTION, TCP_INFO } from './constants.js'
import { SocketError } from './errors.js'
import { socketOf } from './lookup.js'
import { findOption, type Linger, type OptionInput, type OptionValue, type TimeValue } from './optiontable.js'
import type { TcpInfo } from './tcpinfo.js'

/**
 * The value of an option: what was set, else the default. TCP_INFO and an unset TCP_CONGESTION of a connection wait for the slow path's answer.
 * Throws SocketError ENOPROTOOPT, EBADF, ENOTSOCK; ENOTCONN for TCP_INFO of a socket that is not connected. getsockopt(2).
 */
export function getsockopt(fd: number, level: typeof SOL_SOCKET, name: typeof SO_LINGER): Linger
export function getsockopt(fd: number, level: typeof SOL_SOCKET, name: typeof SO_RCVTIMEO | typeof SO_SNDTIMEO): TimeValue
export function getsockopt(fd: number, level: typeof SOL_TCP, name: typeof TCP_INFO): TcpInfo
export function getsockopt(fd: number, level: typeof SOL_TCP, name: typeof TCP_CONGESTION): string
export function getsockopt(fd: number, level: typeof IPPROTO_IP, name: typeof IP_OPTIONS): Uint8Array
export function getsockopt(fd: number, level: number, name: number): OptionValue
export function getsockopt(fd: number, level: number, name: number): OptionValue {
  return findOption(level, name, 'getsockopt').get(socketOf(fd, 'getsockopt'))
}

/**
 * Sets an option; what was set reads back. Throws SocketError ENOPROTOOPT for one that there is not or that cannot be set, EINVAL for a bad
 * value, ENOENT for a congestion control that there is not, EISCONN for IP_OPTIONS once the socket connects or listens. setsockopt(2).
 */
export function setsockopt(fd: number, level: number, name: number, value: OptionInput): void {
  const { set } = findOption(level, name, 'setsockopt')
  const socket = socketOf(fd, 'setsockopt')
  if (set === undefined) throw new SocketError('ENOPROTOOPT', 'setsockopt', `option ${name} at level ${level} cannot be set`)
  set(socket, value)
}
