/** What options there are, and how each is read and set. */
import { CONGESTION_CONTROLS, type OptionName } from '../tas/index.js'
import {
  AF_INET, IP_OPTIONS, IP_TOS, IPPROTO_IP, IPPROTO_TCP, SO_ACCEPTCONN, SO_DOMAIN, SO_ERROR, SO_KEEPALIVE, SO_LINGER, SO_OOBINLINE, SO_PROTOCOL,
  SO_RCVBUF, SO_RCVTIMEO, SO_REUSEADDR, SO_REUSEPORT, SO_SNDBUF, SO_SNDTIMEO, SO_TYPE, SOCK_STREAM, SOL_SOCKET, SOL_TCP, TCP_CONGESTION, TCP_INFO,
  TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_MAXSEG, TCP_NODELAY, TCP_USER_TIMEOUT,
} from './constants.js'
import { errorOfErrno, SocketError, translated } from './errors.js'
import { routeOfOptions } from './ipoptions.js'
import { setOptions, type SocketOptions } from './options.js'
import type { TcpSocket } from './socket.js'
import { askInfo, type TcpInfo, tcpInfo } from './tcpinfo.js'

/** struct linger: whether `close` waits, and how many seconds. */
export interface Linger {
  readonly l_onoff: number
  readonly l_linger: number
}

/** struct timeval. */
export interface TimeValue {
  readonly tv_sec: number
  readonly tv_usec: number
}

/** What an option can be set to. */
export type OptionInput = number | string | Linger | TimeValue | Uint8Array
/** What an option can be. */
export type OptionValue = OptionInput | TcpInfo

interface Option {
  get(socket: TcpSocket): OptionValue
  /** Left out: the option cannot be set. */
  set?(socket: TcpSocket, value: OptionInput): void
}

const US_PER_S = 1_000_000
const BUFFER_MIN_BYTES = 4096
const BUFFER_MAX_BYTES = 2 ** 30
const INT_MAX = 0x7fffffff

const SOCKET_LEVEL = new Map<number, Option>([
  [SO_TYPE, constant(SOCK_STREAM)], [SO_DOMAIN, constant(AF_INET)], [SO_PROTOCOL, constant(IPPROTO_TCP)], [SO_OOBINLINE, constant(1)],
  [SO_ACCEPTCONN, { get: (socket) => Number(socket.state === 'listening') }],
  [SO_ERROR, { get: pendingError }],
  [SO_REUSEADDR, flag('isReuseAddress', null)],
  [SO_REUSEPORT, flag('isReusePort', null)],
  [SO_KEEPALIVE, flag('isKeepAlive', 'keepAlive')],
  [SO_RCVBUF, bufferSize('receiveBufferBytes', 'rxLimitBytes', (socket) => socket.connection?.rxBuffer.length ?? 0)],
  [SO_SNDBUF, bufferSize('sendBufferBytes', 'txLimitBytes', (socket) => socket.connection?.txBuffer.length ?? 0)],
  [SO_RCVTIMEO, timeout('receiveTimeoutUs')],
  [SO_SNDTIMEO, timeout('sendTimeoutUs')],
  [SO_LINGER, { get: getLinger, set: setLinger }],
])

const TCP_LEVEL = new Map<number, Option>([
  [TCP_NODELAY, flag('isNoDelay', 'noDelay')],
  [TCP_MAXSEG, { get: (socket) => socket.connection?.mss ?? 0 }],
  [TCP_KEEPIDLE, integer('keepIdleS', 'keepAlive', 1, 32_767)],
  [TCP_KEEPINTVL, integer('keepIntervalS', 'keepAlive', 1, 32_767)],
  [TCP_KEEPCNT, integer('keepCount', 'keepAlive', 1, 127)],
  [TCP_USER_TIMEOUT, integer('userTimeoutMs', 'userTimeoutMs', 0, INT_MAX)],
  [TCP_INFO, { get: (socket) => tcpInfo(socket, 'getsockopt') }],
  [TCP_CONGESTION, { get: getCongestion, set: setCongestion }],
])

const IP_LEVEL = new Map<number, Option>([
  [IP_TOS, integer('tos', 'tos', 0, 255)],
  [IP_OPTIONS, { get: ({ options }) => options.ipOptions.slice(), set: setIpOptions }],
])

const LEVELS = new Map([[SOL_SOCKET, SOCKET_LEVEL], [SOL_TCP, TCP_LEVEL], [IPPROTO_IP, IP_LEVEL]])

/** The option `name` of `level`. Throws SocketError ENOPROTOOPT. */
export function findOption(level: number, name: number, syscall: string): Option {
  const option = LEVELS.get(level)?.get(name)
  if (option !== undefined) return option
  throw new SocketError('ENOPROTOOPT', syscall, `there is no option ${name} at level ${level}`)
}

function constant(value: number): Option {
  return {
    get: () => value,
    set: (_socket, given) => {
      if (given !== value) throw invalid(given, `only ${value}`)
    },
  }
}

/** `name`: the option of the connection that follows from it, if one does. */
function flag(key: 'isReuseAddress' | 'isReusePort' | 'isKeepAlive' | 'isNoDelay', name: OptionName | null): Option {
  return {
    get: ({ options }) => Number(options[key]),
    set: (socket, value) => {
      socket.options[key] = numberOf(value) !== 0
      if (name !== null) passOn(socket, name)
    },
  }
}

type IntegerKey = 'keepIdleS' | 'keepIntervalS' | 'keepCount' | 'userTimeoutMs' | 'tos'

function integer(key: IntegerKey, name: OptionName, least: number, most: number): Option {
  return {
    get: ({ options }) => options[key],
    set: (socket, value) => {
      const number = numberOf(value)
      if (number < least || number > most) throw invalid(value, `from ${least} to ${most}`)
      socket.options[key] = number
      passOn(socket, name)
    },
  }
}

/** Out of range is brought into it, as Linux does; without a wish of the program it is what the connection has. */
function bufferSize(key: 'receiveBufferBytes' | 'sendBufferBytes', name: OptionName, present: (socket: TcpSocket) => number): Option {
  return {
    get: (socket) => socket.options[key] || present(socket),
    set: (socket, value) => {
      socket.options[key] = Math.min(Math.max(numberOf(value), BUFFER_MIN_BYTES), BUFFER_MAX_BYTES)
      passOn(socket, name)
    },
  }
}

function timeout(key: 'receiveTimeoutUs' | 'sendTimeoutUs'): Option {
  return {
    get: ({ options }) => ({ tv_sec: Math.floor(options[key] / US_PER_S), tv_usec: options[key] % US_PER_S }),
    set: ({ options }, value) => {
      if (typeof value !== 'object' || !('tv_sec' in value)) throw invalid(value, '{ tv_sec, tv_usec }')
      const { tv_sec, tv_usec } = value
      if (!Number.isInteger(tv_sec) || tv_sec < 0) throw invalid(tv_sec, 'a whole number of seconds')
      if (!Number.isInteger(tv_usec) || tv_usec < 0 || tv_usec >= US_PER_S) throw new SocketError('EDOM', 'setsockopt', `tv_usec ${tv_usec}`)
      options[key] = tv_sec * US_PER_S + tv_usec
    },
  }
}

function pendingError(socket: TcpSocket): number {
  socket.stack.poll()
  const { error } = socket
  socket.error = 0
  return error
}

function getLinger({ options }: TcpSocket): Linger {
  return { l_onoff: Number(options.lingerS >= 0), l_linger: Math.max(0, options.lingerS) }
}

function setLinger({ options }: TcpSocket, value: OptionInput): void {
  if (typeof value !== 'object' || !('l_onoff' in value)) throw invalid(value, '{ l_onoff, l_linger }')
  if (!Number.isInteger(value.l_linger) || value.l_linger < 0) throw invalid(value.l_linger, 'a whole number of seconds')
  options.lingerS = value.l_onoff === 0 ? -1 : value.l_linger
}

/** The way is chosen when the connection is opened. */
function setIpOptions({ options, state }: TcpSocket, value: OptionInput): void {
  if (!(value instanceof Uint8Array)) throw invalid(value, 'bytes')
  routeOfOptions(value)
  if (state !== 'idle') throw new SocketError('EISCONN', 'setsockopt', 'IP_OPTIONS can be set before connect only')
  options.ipOptions = value.slice()
}

/** The one that was set, else the one in force; '' before the socket is connected. */
function getCongestion(socket: TcpSocket): string {
  if (socket.options.congestionControl !== '' || socket.state !== 'connected') return socket.options.congestionControl
  return askInfo(socket, 'getsockopt').congestionControl
}

/** TAS alone knows whether it has a module: waits for the answer. */
function setCongestion(socket: TcpSocket, value: OptionInput): void {
  const { options, answers, stack } = socket
  const before = options.congestionControl
  if (typeof value !== 'string') throw invalid(value, 'a name')
  answers.option = -1
  try {
    options.congestionControl = asCongestion(value)
    passOn(socket, 'congestionControl')
  } catch (error) {
    options.congestionControl = before
    throw error
  }
  if (socket.state !== 'connected') return
  while (answers.option < 0 && socket.isConnected) stack.wait(Infinity, 'setsockopt')
  if (answers.option <= 0) return
  options.congestionControl = before
  throw errorOfErrno(answers.option, 'setsockopt', `TAS has no congestion control ${JSON.stringify(value)}`)
}

function asCongestion(value: string): SocketOptions['congestionControl'] {
  const known = CONGESTION_CONTROLS.find((name) => name === value)
  if (known !== undefined) return known
  throw new SocketError('ENOENT', 'setsockopt', `there is no congestion control ${JSON.stringify(value)}: want ${CONGESTION_CONTROLS.join(', ')}`)
}

/** Tells the connection, if there is one already; otherwise `connect`, `listen` or `accept` will. */
function passOn(socket: TcpSocket, name: OptionName): void {
  const { options, connection } = socket
  options.touch(name)
  if (connection === null || socket.state === 'ended') return
  translated('setsockopt', () => setOptions(connection, options.one(name)))
  socket.stack.context.flush()
}

function numberOf(value: OptionInput): number {
  if (typeof value === 'number' && Number.isInteger(value)) return value
  throw invalid(value, 'an integer')
}

function invalid(value: unknown, want: string): SocketError {
  return new SocketError('EINVAL', 'setsockopt', `value ${JSON.stringify(value)}: want ${want}`)
}
