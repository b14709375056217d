/**
 * A connection of TAS that another process uses: TAS's connections cannot leave their process, so the bytes pass through a connection of the
 * kernel, whose other end that process gets. Ends and resets pass as they are, and a side that does not read stops the other.
 */
import net from 'node:net'
import { atRoot } from '../async.js'
import { type KernelHandle, OWNER } from '../internals.js'
import type { ConnectionHandle } from './connection.js'
import { loopbackPair } from './loopback.js'
import { namesOf, showNames } from './named.js'

/** The handle of the kernel that stands for a connection. */
const standIns = new WeakMap<ConnectionHandle, KernelHandle>()

/**
 * What can be sent to another process for `handle`: the far end of a relay, which is made when it is first asked for. Returns an error if there
 * is none to be had. `replace` puts it in the place of `handle` beneath `socket`: its owner, while it still has it.
 */
export function farEndOf(handle: ConnectionHandle, replace: (socket: net.Socket, far: KernelHandle) => void): KernelHandle | number {
  const known = standIns.get(handle)
  if (known !== undefined) return known
  const relay = new Relay(handle)
  const far = atRoot(() => loopbackPair((near) => atRoot(() => relay.join(near))))
  if (typeof far === 'number') return far
  showNames(far, namesOf(handle))
  standIns.set(handle, far)
  const owner = handle[OWNER]
  if (owner instanceof net.Socket && Reflect.get(owner, '_handle') === handle) shareWith(owner, handle, relay, far, replace)
  else giveAway(handle, relay, far)
  return far
}

/** The owner goes on using the connection (`keepOpen`): it has the far end as well then, as both would have a descriptor. */
function shareWith(
  owner: net.Socket, handle: ConnectionHandle, relay: Relay, far: KernelHandle, replace: (socket: net.Socket, far: KernelHandle) => void,
): void {
  const { reading: wasReading, isUnreferenced } = handle
  handle.lend({ close: (callback) => callback?.() })
  replace(owner, far)
  if (isUnreferenced) far.unref()
  if (wasReading) far.readStart()
  Reflect.set(far, 'reading', wasReading)
  relay.hold()
}

/** The owner closes the handle once the other process has it. Node forgets to if that one ends before: the relay then keeps nobody alive. */
function giveAway(handle: ConnectionHandle, relay: Relay, far: KernelHandle): void {
  handle.lend({
    close(callback) {
      far.close(callback)
      relay.hold()
    },
  })
}

class Relay {
  private readonly handle: ConnectionHandle
  private ends: readonly net.Socket[] = []
  private isHeld = false

  constructor(handle: ConnectionHandle) {
    this.handle = handle
  }

  /** Keeps the process alive as long as there is the connection, also if its owner would not have: the kernel keeps it, too. */
  hold(): void {
    this.isHeld = true
    for (const end of this.ends) end.ref()
  }

  /** Begins. `near`: this process's end of the pair; null if it has not come about. */
  join(near: KernelHandle | null): void {
    const inside = new TasEnd(this.handle)
    if (near === null) {
      inside.resetAndDestroy()
      return
    }
    near.setNoDelay(true)
    const outside = new net.Socket(halfOpen(near))
    this.ends = [inside, outside]
    for (const end of this.ends) {
      if (this.isHeld) end.ref()
      else end.unref()
    }
    pass(inside, outside)
    pass(outside, inside)
  }
}

/** The relay's end on TAS. */
class TasEnd extends net.Socket {
  private readonly lent: ConnectionHandle

  constructor(lent: ConnectionHandle) {
    super(halfOpen(lent))
    this.lent = lent
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.lent.giveBack()
    super._destroy(error, callback)
  }
}

function halfOpen(handle: object): net.SocketConstructorOpts {
  return { handle, allowHalfOpen: true, manualStart: true } as net.SocketConstructorOpts
}

/** Passes bytes, end and reset of `from` on to `to`. */
function pass(from: net.Socket, to: net.Socket): void {
  from.once('error', () => { if (!to.destroyed) to.resetAndDestroy() })
  from.pipe(to)
}
