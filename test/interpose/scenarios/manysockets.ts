/** Prints how many bytes of the old generation each socket takes that `net.Server` makes and nobody keeps. */
import { Socket } from 'node:net'
import { getHeapSpaceStatistics } from 'node:v8'

const WARM_UP = 2_000
const SOCKETS = 2_000

class Handle {
  getAsyncId(): number {
    return 1
  }

  readStart(): number {
    return 0
  }

  close(): void {
    // Nobody waits for it.
  }
}

/** As onconnection of lib/net.js does. */
function make(): Socket {
  const options = {
    handle: new Handle(), allowHalfOpen: false, pauseOnCreate: false, readable: true, writable: true,
    readableHighWaterMark: 65_536, writableHighWaterMark: 65_536,
  }
  return new Socket(options as object)
}

function oldBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')?.space_used_size ?? 0
}

for (let i = 0; i < WARM_UP; i++) make()
const before = oldBytes()
for (let i = 0; i < SOCKETS; i++) make()
console.log((oldBytes() - before) / SOCKETS)
