/**
 * `process.send(message, socket)` hands the descriptor of a handle to another process (lib/internal/child_process.js, LibuvStreamWrap).
 * A handle of TAS has none: C++ must never see it there.
 */
import { ConnectionHandle } from '../handle/connection.js'
import { ListenerHandle } from '../handle/listener.js'
import { Pipe } from '../internals.js'
import { replaceMethod } from './replace.js'

/** Refuses to send handles of TAS, with an error that says why. */
export function hookSend(): void {
  for (const name of ['writeUtf8String', 'writeBuffer']) {
    replaceMethod(Pipe.prototype, name, (write) => function writeToChannel(this: unknown, ...args) {
      const [, , handle] = args
      if (handle instanceof ConnectionHandle || handle instanceof ListenerHandle) {
        throw Object.assign(new Error('a socket or server on TAS cannot be sent to another process; give its address or port to the kernel '
          + 'by TASJS_INTERPOSE_LISTEN or TASJS_INTERPOSE_CONNECT'), { code: 'ERR_INVALID_HANDLE_TYPE' })
      }
      return Reflect.apply(write, this, args)
    })
  }
}
