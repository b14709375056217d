/** Numbers of the Linux interface (socket.h, tcp.h, epoll.h, poll.h, fcntl.h), as they are on x86-64 and arm64. */

export const AF_UNSPEC = 0
export const AF_INET = 2

export const SOCK_STREAM = 1
export const SOCK_NONBLOCK = 0x800
export const SOCK_CLOEXEC = 0x80000

export const IPPROTO_IP = 0
export const IPPROTO_TCP = 6

export const SHUT_RD = 0
export const SHUT_WR = 1
export const SHUT_RDWR = 2

export const MSG_OOB = 0x1
export const MSG_PEEK = 0x2
export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40
export const MSG_WAITALL = 0x100
export const MSG_ERRQUEUE = 0x2000
export const MSG_NOSIGNAL = 0x4000
export const MSG_MORE = 0x8000

export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const SO_TYPE = 3
export const SO_ERROR = 4
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_KEEPALIVE = 9
export const SO_OOBINLINE = 10
export const SO_LINGER = 13
export const SO_REUSEPORT = 15
export const SO_RCVTIMEO = 20
export const SO_SNDTIMEO = 21
export const SO_ACCEPTCONN = 30
export const SO_PROTOCOL = 38
export const SO_DOMAIN = 39

export const IP_TOS = 1
export const IP_OPTIONS = 4

export const SOL_TCP = 6
export const TCP_NODELAY = 1
export const TCP_MAXSEG = 2
export const TCP_KEEPIDLE = 4
export const TCP_KEEPINTVL = 5
export const TCP_KEEPCNT = 6
export const TCP_INFO = 11
export const TCP_CONGESTION = 13
export const TCP_USER_TIMEOUT = 18

export const F_DUPFD = 0
export const F_GETFD = 1
export const F_SETFD = 2
export const F_GETFL = 3
export const F_SETFL = 4
export const F_DUPFD_CLOEXEC = 1030
export const FD_CLOEXEC = 1
export const O_RDWR = 2
export const O_NONBLOCK = 0x800
export const O_CLOEXEC = 0x80000

export const EPOLL_CLOEXEC = 0x80000
export const EPOLL_CTL_ADD = 1
export const EPOLL_CTL_DEL = 2
export const EPOLL_CTL_MOD = 3
export const EPOLLIN = 0x1
export const EPOLLPRI = 0x2
export const EPOLLOUT = 0x4
export const EPOLLERR = 0x8
export const EPOLLHUP = 0x10
export const EPOLLRDNORM = 0x40
export const EPOLLWRNORM = 0x100
export const EPOLLRDHUP = 0x2000
export const EPOLLEXCLUSIVE = 1 << 28
export const EPOLLWAKEUP = 1 << 29
export const EPOLLONESHOT = 1 << 30
/** Negative, as JavaScript's bit operations have it. */
export const EPOLLET = 1 << 31

export const POLLIN = EPOLLIN
export const POLLPRI = EPOLLPRI
export const POLLOUT = EPOLLOUT
export const POLLERR = EPOLLERR
export const POLLHUP = EPOLLHUP
export const POLLNVAL = 0x20
export const POLLRDNORM = EPOLLRDNORM
export const POLLWRNORM = EPOLLWRNORM
export const POLLRDHUP = EPOLLRDHUP
