/** Contexts that come and go, as those of threads do, while links lose frames, workers die and connections change workers. */
import { describe, expect, it } from 'vitest'
import { FLOW_GROUPS } from '../../lib/memif/index.js'
import { CONN_OPEN, createEvents, type Connection, type Context, type Tas } from '../../lib/tas/index.js'
import { EmbeddedHost } from './embeddedhost.js'
import type { SimHost } from './host.js'
import { GOOD_LINK, SimNetwork } from './network.js'
import type { Program } from './programs.js'
import { expectNothingLeft, listen, MINUTE_US, SERVER_IP, start, twoHosts, type Running } from './scene.js'

const PORT = 80
const NOTHING = new Uint8Array(0)
/** More than an application can have at once. */
const VISITS = 200
const LINK = { ...GOOD_LINK, loss: 0.02, reorder: 0.05, reorderUs: 500, duplicate: 0.02 }

/** A context that opens a connection, says what it has to say, and is closed at once, or abandoned as by a thread that is terminated. */
class Visit {
  isOver = false
  private readonly tas: Tas
  private readonly context: Context
  private readonly connection: Connection
  private readonly events = createEvents(8)
  private readonly bytes: Uint8Array
  private readonly abandon: ((context: Context) => void) | null

  /** `bytes` must fit the transmit buffer. */
  constructor(tas: Tas, bytes: Uint8Array, abandon: ((context: Context) => void) | null) {
    this.tas = tas
    this.bytes = bytes
    this.abandon = abandon
    this.context = tas.createContext()
    this.connection = this.context.connect(SERVER_IP, PORT)
  }

  step(): number {
    const count = this.context.poll(this.events)
    if (count === 0) return 0
    expect(this.events[0]).toMatchObject({ type: CONN_OPEN, status: 0 })
    expect(this.connection.write(this.bytes)).toBe(this.bytes.length)
    this.isOver = true
    if (this.abandon === null) this.context.close()
    else {
      this.abandon(this.context)
      this.tas['contexts'].delete(this.context)
    }
    return count
  }
}

/** What the server got of visit `number`; its first byte says which that is. */
function heard(serving: Program, number: number): { bytes: Uint8Array; status: number; closed: boolean } | null {
  for (const { received, status, closed } of serving.transfers.values()) {
    if (received.length > 0 && received[0] === number) return { bytes: Uint8Array.from(received), status, closed }
  }
  return null
}

/** Until it is over, every `us` microseconds at most. */
function everyNowAndThen(net: SimNetwork, us: number, isOver: () => boolean, act: () => void): void {
  const again = (): void => {
    if (isOver()) return
    act()
    net.schedule(net.nowUs + 1 + net.random.below(us), again)
  }
  net.schedule(net.nowUs + net.random.below(us), again)
}

function moveGroups(net: SimNetwork, host: SimHost): void {
  const { steering } = host.slow['stack']
  const table = steering['table'].slice()
  for (let group = 0; group < FLOW_GROUPS; group++) if (net.random.chance(0.3)) table[group] = net.random.below(host.workers.length)
  steering.change(table)
}

describe('contexts closed at once, one after the other', () => {
  it.each([1, 2, 3, 4])('seed %i -> all bytes of those that closed arrive, others are reset, nothing is left', (seed) => {
    const hosts = twoHosts(seed, {}, { workers: 2 })
    const { net, server, client } = hosts
    const serving = start(server, 'serving')
    listen(hosts, serving, PORT, () => NOTHING)
    net.faults = LINK
    const visiting = client.connectApp('visiting')
    const said = new Map<number, Uint8Array>()
    let visits = 0
    let visit: Visit | null = null
    const step = client.step.bind(client)
    client.step = (nowUs) => {
      const work = step(nowUs)
      if (visit === null || visit.isOver) {
        if (visits === VISITS) return work
        const number = visits++
        const bytes = net.random.bytes(1 + net.random.below(5_000))
        bytes[0] = number
        const isAbandoned = net.random.chance(0.3)
        if (!isAbandoned) said.set(number, bytes)
        visit = new Visit(visiting.tas, bytes, isAbandoned ? ({ id }) => client.slow.apps.removeContext(visiting.app, id) : null)
        return work + 1
      }
      return work + visit.step()
    }
    const isHeard = (): boolean => [...said.keys()].every((number) => heard(serving.program, number)?.closed)
    const isOver = (): boolean => visits === VISITS && visit?.isOver === true && isHeard()
    everyNowAndThen(net, 10_000, isOver, () => client.replaceWorker(net.random.below(2)))
    everyNowAndThen(net, 1_000, isOver, () => moveGroups(net, client))
    expect(net.run(isOver, 30 * MINUTE_US)).toBe(true)
    for (const [number, bytes] of said) {
      const { status, bytes: got } = heard(serving.program, number) ?? { status: -1, bytes: NOTHING }
      expect([number, status, Buffer.compare(got, bytes)]).toEqual([number, 0, 0])
    }
    expect([client.takeovers > 5, client.slowCount('flowsMoved') > 5]).toEqual([true, true])
    expect([client.slowCount('appBadRequests'), client.slowCount('contexts')]).toEqual([0, 0])
    net.faults = GOOD_LINK
    expectNothingLeft(hosts, [[server, serving], [client, { ...visiting, program: serving.program, hang: () => undefined } satisfies Running]])
  })
})

describe('an embedded TAS', () => {
  it('more contexts than there can be at once, one after the other and at the same time -> their ids are used again', () => {
    const { tas } = new EmbeddedHost(new SimNetwork(1), SERVER_IP)
    for (let i = 0; i < VISITS; i++) {
      const context = tas.createContext()
      context.listen(PORT)
      context.poll(createEvents(4))
      context.close()
    }
    const contexts = Array.from({ length: 64 }, () => tas.createContext())
    expect(new Set(contexts.map(({ id }) => id)).size).toBe(64)
    expect(() => tas.createContext()).toThrow(/EMFILE.*64 contexts/)
    contexts[17].close()
    expect(tas.createContext().id).toBe(17)
    tas.close()
  })
})
