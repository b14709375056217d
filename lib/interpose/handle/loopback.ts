/**
 * Two connected handles of the kernel's TCP. A pair of unix sockets would not tell a reset, and would show a process that is not on TAS
 * no `TCP` handle. The listener that it takes is on 127.0.0.1 and gone as soon as the connection is there, and takes nobody else's.
 */
import { clearTimeout, setImmediate, setTimeout } from '../../tas/timers.js'
import { UV_ECANCELED } from '../errors.js'
import { type KernelHandle, type SocketName, TCP, TCP_SERVER, TCP_SOCKET, TCPConnectWrap } from '../internals.js'
import { portOf } from './companions.js'

const HOST = '127.0.0.1'
/** Room for others who happen to connect to the port first. */
const BACKLOG = 16
/** How long a connection that is open may wait to be accepted, milliseconds: libuv closes what it has no descriptor for, and tells nobody. */
const PATIENCE_MS = 1_000

/** Connects two handles. Returns one, or an error; `ready` gets the other some turns later, or null if that fails after all. */
export function loopbackPair(ready: (near: KernelHandle | null) => void): KernelHandle | number {
  const listener = new TCP(TCP_SERVER)
  const far = new TCP(TCP_SOCKET)
  let isDone = false
  let timer: NodeJS.Timeout | null = null
  const finish = (near: KernelHandle | null): void => {
    if (isDone) return
    isDone = true
    if (timer !== null) clearTimeout(timer)
    listener.close()
    ready(near)
  }
  const request = new TCPConnectWrap()
  request.oncomplete = (status) => {
    // Called off: whoever was to have it has it by now, and has closed this process's own.
    if (isDone || status === UV_ECANCELED) return
    if (status !== 0) finish(null)
    // Not before descriptors have been looked at again: this thread may have computed for longer.
    else timer = setTimeout(() => setImmediate(finish, null), PATIENCE_MS)
  }
  const error = listener.bind(HOST, 0) || listener.listen(BACKLOG) || far.connect(request, HOST, portOf(listener))
  if (error !== 0) {
    listener.close()
    far.close()
    return error
  }
  const port = portOf(far)
  listener.onconnection = (status, client) => {
    if (status === 0) sort(client as KernelHandle, port, finish)
  }
  far.setNoDelay(true)
  return far
}

/** Hands over the connection from `port`. One that has been reset by now does not show where it came from: it is taken for ours. */
function sort(client: KernelHandle, port: number, finish: (near: KernelHandle | null) => void): void {
  const name: SocketName = {}
  const isReset = client.getpeername(name) !== 0
  if (!isReset && name.address === HOST && name.port === port) {
    finish(client)
    return
  }
  client.close()
  if (isReset) finish(null)
}
