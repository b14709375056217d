/** Listeners (struct flextcp_listener). */
import { AS_CONTEXT, AS_LISTENER, AS_LOCAL_IP, AS_PORTS, AS_STATUS, REQ_LISTEN_ACCEPT, REQ_LISTEN_CLOSE } from '../memif/index.js'
import { formatAddress } from './address.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import { STATUS_SERVICE_GONE, TasError } from './errors.js'
import { LISTEN_CLOSED, LISTEN_OPEN, type TasEvent } from './events.js'
import type { HandedListener } from './handing.js'

/** Where a listener stands. */
export type ListenerState = 'opening' | 'open' | 'closing' | 'closed'

/** A TCP port that takes connections; made by `Context.listen`. */
export class Listener {
  /** @internal */ readonly handle: number
  readonly context: Context
  private current: ListenerState = 'opening'
  private localIp = 0
  private localPort: number
  /** Why it did not open. */
  private openStatus = 0
  /** Id of the context in another thread that listens; -1: it is this one's own. */
  private owner = -1

  /** @internal */
  constructor(context: Context, handle: number, port: number) {
    this.context = context
    this.handle = handle
    this.localPort = port
  }

  /** @internal A listener that another thread has. */
  static joined(context: Context, { context: owner, handle, ip, port }: HandedListener): Listener {
    const listener = new Listener(context, handle, port)
    listener.opened(0, ip, port)
    listener.owner = owner
    return listener
  }

  get state(): ListenerState {
    return this.current
  }

  /** Port, chosen by TAS if 0 was asked for; known after LISTEN_OPEN. */
  get port(): number {
    return this.localPort
  }

  /** Local address, '0.0.0.0' for any. */
  get address(): string {
    return formatAddress(this.localIp)
  }

  /**
   * Waits, at most `timeoutUs` microseconds, until the service has answered; nothing else in this thread runs meanwhile. Returns the
   * status that LISTEN_OPEN will have, which comes as always, or -1 if there is no answer yet. Works on attached contexts, too: for
   * programs that must know port or error before they go on. The C API has no such function.
   */
  waitOpen(timeoutUs: number): number {
    if (this.current !== 'opening') return this.current === 'open' ? 0 : this.openStatus
    const { words } = this.context.tas.link
    const at = this.context.waitAnswer(this, timeoutUs)
    if (at < 0) return this.context.tas.gone ? STATUS_SERVICE_GONE : -1
    const status = words[at + AS_STATUS]
    this.opened(status, words[at + AS_LOCAL_IP], words[at + AS_PORTS] & 0xffff)
    return status
  }

  /**
   * For other threads that share the application (`Tas.share`, `Context.joinListener`): `postMessage` can carry it. Only of use if it was opened
   * with the option `silent`. Throws TasError EINVAL unless it is open.
   */
  share(): HandedListener {
    if (this.current !== 'open') throw new TasError('EINVAL', 'the listener is not open')
    const { context, handle, localIp: ip, localPort: port } = this
    return { application: context.tas.link.application, context: this.owner < 0 ? context.id : this.owner, handle, ip, port }
  }

  /**
   * Takes the next connection, now or when it comes; LISTEN_ACCEPT says when. Can be called several times ahead.
   * Usual is one call for each LISTEN_NEWCONN. Throws TasError EBADF after close. flextcp_listen_accept.
   */
  accept(): Connection {
    if (this.current === 'closing' || this.current === 'closed') throw new TasError('EBADF', 'the listener is closed')
    const connection = this.context.tas.addConnection(this.context, this)
    const { requests } = this.context.outbox
    const entry = requests.compose(REQ_LISTEN_ACCEPT, connection.handle)
    entry[AS_LISTENER] = this.handle
    if (this.owner >= 0) {
      // The context, and the handle, may be somebody else's by then.
      entry[AS_CONTEXT] = this.owner + 1
      entry[AS_LOCAL_IP] = this.localIp
      entry[AS_PORTS] = this.localPort
    }
    requests.send(entry)
    this.context.changed()
    return connection
  }

  /**
   * Stops listening: waiting connections are reset, pending accepts end with ECANCELED, LISTEN_CLOSED comes.
   * Accepted connections stay. Does nothing if called again. A listener of another thread (`Context.joinListener`) goes on there, and no event comes.
   * The C API has no such function.
   */
  close(): void {
    if (this.current === 'closing' || this.current === 'closed') return
    if (this.owner >= 0) {
      this.current = 'closed'
      this.context.cancelAccepts(this)
      return
    }
    this.current = 'closing'
    const { requests } = this.context.outbox
    requests.send(requests.compose(REQ_LISTEN_CLOSE, this.handle))
    this.context.changed()
  }

  /** @internal The answer to REQ_LISTEN_OPEN. */
  opened(status: number, ip: number, port: number): void {
    if (status !== 0) {
      this.current = 'closed'
      this.openStatus = status
      return
    }
    this.localIp = ip
    this.localPort = port
    if (this.current === 'opening') this.current = 'open'
  }

  /** @internal The service has let go of it: fills in the last event. */
  end(event: TasEvent, status: number): void {
    const isOpening = this.current === 'opening'
    if (isOpening) this.openStatus = status
    event.set(isOpening ? LISTEN_OPEN : LISTEN_CLOSED, null, this, status)
    this.current = 'closed'
  }
}
