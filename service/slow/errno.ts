/** Linux errno numbers that travel to applications as AS_STATUS. */

export const EPERM = 1
export const ENOENT = 2
export const EINVAL = 22
export const ENONET = 64
export const EPROTO = 71
export const ENOPROTOOPT = 92
export const EOPNOTSUPP = 95
export const EADDRINUSE = 98
export const EADDRNOTAVAIL = 99
export const ENETDOWN = 100
export const ENETUNREACH = 101
export const ECONNRESET = 104
export const ENOBUFS = 105
export const ENOTCONN = 107
export const ETIMEDOUT = 110
export const ECONNREFUSED = 111
export const EHOSTDOWN = 112
export const EHOSTUNREACH = 113
export const ECANCELED = 125
