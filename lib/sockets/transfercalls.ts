/** Calls that move bytes, under their C names. A pointer and a length are one Uint8Array here. docs/sockets.md says what is different. */
import { AF_UNSPEC } from './constants.js'
import type { SocketAddress } from './address.js'
import { SocketError } from './errors.js'
import { socketOf } from './lookup.js'
import { receive, transmit } from './transfer.js'
import { receiveVector, transmitVector } from './vectors.js'

/** A message (struct msghdr). `recvmsg` sets `flags` and `name`. */
export interface Message {
  /** Where bytes come from or go to, one after the other. */
  iov: readonly Uint8Array[]
  /** Set by `recvmsg`: always 0. */
  flags?: number
  /** A TCP socket gives no address here: `recvmsg` sets the family to AF_UNSPEC. Ignored by `sendmsg`. */
  name?: SocketAddress
}

/** Receives up to `buffer.length` bytes. Returns how many, 0 at the end. Throws SocketError EAGAIN, ENOTCONN, ECONNRESET, ... read(2). */
export function read(fd: number, buffer: Uint8Array): number {
  return receive(socketOf(fd, 'read'), buffer, 0, 'read')
}

/** As `read`, with MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT, MSG_TRUNC. recv(2). */
export function recv(fd: number, buffer: Uint8Array, flags = 0): number {
  return receive(socketOf(fd, 'recv'), buffer, flags, 'recv')
}

/** As `recv`. `source` gets no address, as with any TCP socket: its family becomes AF_UNSPEC. recvfrom(2). */
export function recvfrom(fd: number, buffer: Uint8Array, flags = 0, source: SocketAddress | null = null): number {
  const got = receive(socketOf(fd, 'recvfrom'), buffer, flags, 'recvfrom')
  if (source !== null) source.family = AF_UNSPEC
  return got
}

/** As `recv`, into several buffers. Returns how many bytes in all. recvmsg(2). */
export function recvmsg(fd: number, message: Message, flags = 0): number {
  const got = receiveVector(socketOf(fd, 'recvmsg'), message.iov, flags, 'recvmsg')
  message.flags = 0
  if (message.name !== undefined) message.name.family = AF_UNSPEC
  return got
}

/** As `read`, into several buffers. Throws SocketError EINVAL for more than 1024. readv(2). */
export function readv(fd: number, iov: readonly Uint8Array[]): number {
  return receiveVector(socketOf(fd, 'readv'), iov, 0, 'readv')
}

/** Throws SocketError ESPIPE: a socket has no positions. pread(2). */
export function pread(fd: number, _buffer: Uint8Array, _offset: number): never {
  socketOf(fd, 'pread')
  throw hasNoPositions('pread')
}

/** Sends; returns how many bytes were taken. Throws SocketError EAGAIN, ENOTCONN, EPIPE, ECONNRESET, ... write(2). */
export function write(fd: number, bytes: Uint8Array): number {
  return transmit(socketOf(fd, 'write'), bytes, 0, 'write')
}

/** As `write`, with MSG_DONTWAIT. send(2). */
export function send(fd: number, bytes: Uint8Array, flags = 0): number {
  return transmit(socketOf(fd, 'send'), bytes, flags, 'send')
}

/** As `send`; the socket must be connected, `destination` is ignored. sendto(2). */
export function sendto(fd: number, bytes: Uint8Array, flags = 0, _destination: SocketAddress | null = null): number {
  return transmit(socketOf(fd, 'sendto'), bytes, flags, 'sendto')
}

/** As `send`, from several buffers. Returns how many bytes in all. sendmsg(2). */
export function sendmsg(fd: number, message: Message, flags = 0): number {
  return transmitVector(socketOf(fd, 'sendmsg'), message.iov, flags, 'sendmsg')
}

/** As `write`, from several buffers. Throws SocketError EINVAL for more than 1024. writev(2). */
export function writev(fd: number, iov: readonly Uint8Array[]): number {
  return transmitVector(socketOf(fd, 'writev'), iov, 0, 'writev')
}

/** Throws SocketError ESPIPE: a socket has no positions. pwrite(2). */
export function pwrite(fd: number, _bytes: Uint8Array, _offset: number): never {
  socketOf(fd, 'pwrite')
  throw hasNoPositions('pwrite')
}

function hasNoPositions(syscall: string): SocketError {
  return new SocketError('ESPIPE', syscall, 'a socket has no positions')
}
