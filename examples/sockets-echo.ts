/** TCP echo server on BSD sockets: the loop of epoll(7). `node sockets-echo.js [PORT]` */
import {
  accept4, AF_INET, bind, close, createEpollEvents, EPOLL_CTL_ADD, EPOLL_CTL_MOD, epoll_create1, epoll_ctl, epoll_wait, EPOLLIN, EPOLLOUT,
  getsockname, listen, read, SO_REUSEADDR, SOCK_NONBLOCK, SOCK_STREAM, setsockopt, socket, SocketError, SOL_SOCKET, write,
} from 'tasjs/sockets'
import { fail } from './cli.js'

const USAGE = 'usage: node sockets-echo.js [PORT]'
const MAX_EVENTS = 64
const events = createEpollEvents(MAX_EVENTS)
const buffer = new Uint8Array(1 << 16)
/** What found no room, by descriptor: sent when there is some, before more is read. */
const unsent = new Map<number, Uint8Array>()

const listener = openListener(readPort(process.argv.slice(2)))
console.log(`sockets-echo: listening on port ${getsockname(listener).port}`)

const epfd = epoll_create1(0)
epoll_ctl(epfd, EPOLL_CTL_ADD, listener, { events: EPOLLIN, data: listener })

for (;;) {
  const count = epoll_wait(epfd, events, MAX_EVENTS, -1)
  for (let i = 0; i < count; i++) {
    const fd = events[i].data
    if (fd === listener) attempt(fd, takeConnection)
    else attempt(fd, echo)
  }
}

function readPort([text = '7', ...others]: readonly string[]): number {
  if (text === '--help') {
    console.log(USAGE)
    process.exit(0)
  }
  if (others.length > 0 || !/^\d{1,5}$/.test(text) || Number(text) > 65535) fail(new Error(USAGE), 2)
  return Number(text)
}

/** What fails here, such as a service that is not there, is told in one line. */
function openListener(port: number): number {
  try {
    const fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK)
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    bind(fd, { address: '0.0.0.0', port })
    listen(fd, 128)
    return fd
  } catch (error) {
    return fail(error)
  }
}

/** EAGAIN is no fault: epoll tells when to go on. Other errors end the connection. */
function attempt(fd: number, act: (fd: number) => void): void {
  try {
    act(fd)
  } catch (error) {
    if (!(error instanceof SocketError)) throw error
    if (error.code !== 'EAGAIN' && fd !== listener) hangUp(fd)
  }
}

function takeConnection(): void {
  const fd = accept4(listener, null, SOCK_NONBLOCK)
  epoll_ctl(epfd, EPOLL_CTL_ADD, fd, { events: EPOLLIN, data: fd })
}

function echo(fd: number): void {
  const bytes = unsent.get(fd) ?? buffer.slice(0, read(fd, buffer))
  if (bytes.length === 0) return hangUp(fd)
  unsent.set(fd, bytes)
  epoll_ctl(epfd, EPOLL_CTL_MOD, fd, { events: EPOLLOUT, data: fd })
  const rest = bytes.subarray(write(fd, bytes))
  if (rest.length > 0) return void unsent.set(fd, rest)
  unsent.delete(fd)
  epoll_ctl(epfd, EPOLL_CTL_MOD, fd, { events: EPOLLIN, data: fd })
}

function hangUp(fd: number): void {
  unsent.delete(fd)
  close(fd)
}
