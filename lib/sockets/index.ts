/** Package `tasjs/sockets`: BSD sockets on TAS. docs/sockets.md maps each call to its manual page and names what is different. */
export * from './constants.js'
export { init, Stack, type InitOptions } from './stack.js'
export type { SocketAddress } from './address.js'
export { SocketError } from './errors.js'
export { give_fd, take_fd, type HandedSocket } from './handing.js'
export { connectionOf } from './lookup.js'
export {
  accept, accept4, bind, close, connect, getpeername, getsockname, listen, move_conn, shutdown, socket,
} from './socketcalls.js'
export { dup, dup2, dup3, fcntl } from './descriptorcalls.js'
export { getsockopt, setsockopt } from './optioncalls.js'
export type { Linger, OptionInput, OptionValue, TimeValue } from './optiontable.js'
export type { TcpInfo } from './tcpinfo.js'
export {
  pread, pwrite, read, readv, recv, recvfrom, recvmsg, send, sendmsg, sendto, write, writev, type Message,
} from './transfercalls.js'
export { sendfile } from './sendfile.js'
export { createEpollEvents, epoll_create, epoll_create1, epoll_ctl, epoll_pwait, epoll_wait } from './epoll/calls.js'
export type { EpollEvent } from './epoll/epollset.js'
export { poll, ppoll, type PollFd } from './poll.js'
export { pselect, select, type FdSet } from './select.js'
export type { TimeSpec } from './timeouts.js'
