/** An application of a scenario: its sides and listeners, polled by its host. */
import { createEvents, LISTEN_ACCEPT, LISTEN_CLOSED, LISTEN_NEWCONN, LISTEN_OPEN, type Connection, type Context, type TasEvent } from '../../../lib/tas/index.js'
import type { SimHost } from '../host.js'
import type { Clock } from './side.js'
import { Side, type SideOptions } from './side.js'

/** Events of one poll: few, so that more than one poll is often needed. */
const EVENTS = 8

export class ScenarioProgram {
  readonly app: number
  readonly host: SimHost
  readonly context: Context
  readonly sides: Side[] = []
  isDead = false
  /** Does nothing before this time. */
  hangsUntilUs = 0
  listening = 0
  /** Reads and writes of its sides. */
  calls = 0
  private readonly clock: Clock
  private readonly byConnection = new Map<Connection, Side>()
  private readonly accepting = new Map<number, SideOptions>()
  private readonly events = createEvents(EVENTS)

  constructor(host: SimHost, name: string, clock: Clock) {
    const { tas, app } = host.connectApp(name)
    this.host = host
    this.app = app
    this.context = tas.createContext()
    this.clock = clock
  }

  /** Takes every connection to `port`. */
  listen(port: number, backlog: number, options: SideOptions): void {
    const listener = this.context.listen(port, { ...options.plan.options, backlog })
    this.accepting.set(listener.handle, options)
    this.add(listener.accept(), options)
  }

  connect(ip: number, port: number, localPort: number, options: SideOptions): Side {
    const connection = this.context.connect(ip, port, { ...options.plan.options, ...(localPort > 0 ? { localPort } : {}) })
    return this.add(connection, options)
  }

  private add(connection: Connection, options: SideOptions): Side {
    const side = new Side(connection, this.clock, options)
    this.sides.push(side)
    this.byConnection.set(connection, side)
    return side
  }

  /** The process is killed. */
  kill(): void {
    if (this.isDead) return
    this.isDead = true
    this.host.slow.apps.removeApp(this.app)
  }

  step(): number {
    if (this.isDead || this.clock.nowUs < this.hangsUntilUs) return 0
    const count = this.context.poll(this.events)
    for (let i = 0; i < count; i++) this.dispatch(this.events[i])
    let calls = 0
    for (const side of this.sides) calls += side.step()
    this.calls += calls
    this.context.flush()
    return count + calls
  }

  private dispatch(event: TasEvent): void {
    switch (event.type) {
      case LISTEN_OPEN:
        if (event.status !== 0) throw new Error(`listen failed: ${event.code}`)
        this.listening++
        return
      case LISTEN_NEWCONN: case LISTEN_CLOSED: return
      case LISTEN_ACCEPT: {
        const { listener } = event
        const options = this.accepting.get(listener.handle)
        if (options !== undefined && event.status === 0) {
          const connection = listener.accept()
          this.add(connection, options)
        }
      }
    }
    this.byConnection.get(event.connection)?.handle(event)
  }
}
