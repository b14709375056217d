/** Stands for what the native half of a port does once the port is closed. Throws EBADF. */
export function refuseClosed(): never {
  throw Object.assign(new Error('EBADF: the port is closed'), { code: 'EBADF' })
}
