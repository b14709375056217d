/** A scenario come alive: hosts on their links, programs, and what is to happen to them. */
import { ARP_BYTES, ARP_REQUEST, emitArp, emitEthernet, ETHERNET_HEADER_BYTES, ETHERTYPE_ARP, MAC_BROADCAST, MAC_BYTES } from '../../../lib/wire/index.js'
import { DEFAULT_CONGESTION, DEFAULT_TCP, type SlowConfig } from '../../../service/slow/config.js'
import { SimHost } from '../host.js'
import { GOOD_LINK, SimNetwork } from '../network.js'
import { ScenarioBox } from './middlebox.js'
import { hostIp, type ConversationPlan, type EventPlan, type HostPlan, type Scenario } from './plan.js'
import { ScenarioProgram } from './program.js'
import type { Clock, Side, SideOptions } from './side.js'

const SECOND_US = 1_000_000
/** Times and pauses of the announcements of a host with a new MAC address. */
const ANNOUNCEMENTS_US = [0, SECOND_US, 2 * SECOND_US]

function configOf({ tcp, congestion }: HostPlan): Partial<SlowConfig> {
  const ecn = congestion.asksEcn && tcp.ecn === 'passive' ? 'auto' : tcp.ecn ?? DEFAULT_TCP.ecn
  return { tcp: { ...DEFAULT_TCP, ...tcp, ecn }, cc: { ...DEFAULT_CONGESTION, algorithm: congestion.algorithm } }
}

/** A host, its programs and what happens to it. */
export interface WorldHost {
  readonly plan: HostPlan
  readonly host: SimHost
  readonly box: ScenarioBox
  readonly programs: readonly ScenarioProgram[]
  /** Steps since the conversations began. */
  steps: number
  frozenUntilUs: number
}

/** A conversation and its ends so far. Servers' sides come as connections are accepted. */
export interface Conversation {
  readonly plan: ConversationPlan
  readonly name: string
  readonly clients: Side[]
  /** The sides of the server's program that belong to it are those with this name. */
  readonly serverName: string
}

export class World implements Clock {
  readonly scenario: Scenario
  readonly net: SimNetwork
  readonly hosts: readonly WorldHost[]
  readonly conversations: readonly Conversation[]
  private readonly onSteps: { readonly host: number; readonly steps: number; readonly act: () => void }[] = []
  private hasBegun = false

  constructor(scenario: Scenario) {
    this.scenario = scenario
    this.net = new SimNetwork(scenario.seed, GOOD_LINK, scenario.startUs)
    this.hosts = scenario.hosts.map((plan, index) => this.makeHost(plan, index))
    this.conversations = scenario.conversations.map((plan, index) => {
      return { plan, name: `conversation ${index} client`, clients: [], serverName: `conversation ${index} server` }
    })
  }

  get nowUs(): number {
    return this.net.nowUs
  }

  /** Frames on links and inside hosts, calls of programs, things on the agenda: what there is a reason to work for. */
  get deeds(): number {
    const inside = this.hosts.reduce((sum, { host }) => sum + host.fastCount('loopPackets'), 0)
    const calls = this.hosts.reduce((sum, { programs }) => sum + programs.reduce((all, program) => all + program.calls, 0), 0)
    return this.net.framesSent + inside + calls
  }

  wakeAt(atUs: number): void {
    this.net.schedule(atUs, () => undefined)
  }

  private makeHost(plan: HostPlan, index: number): WorldHost {
    const { net } = this
    const host = new SimHost(net, {
      ip: hostIp(index), mtu: plan.mtu, flows: plan.flows, regionBytes: plan.regionBytes, fastEntries: plan.fastEntries,
      controlBytes: plan.controlBytes, clockUs: plan.clockUs,
      state: { toSlowEntries: plan.slowEntries, toFastEntries: plan.slowEntries, packetAreaBytes: plan.packetAreaBytes },
      config: configOf(plan),
    })
    const box = new ScenarioBox(host.mac.slice(), plan.strip)
    net.end(host).middlebox = box
    const programs = Array.from({ length: plan.apps }, (_, app) => new ScenarioProgram(host, `app ${app}`, this))
    const world: WorldHost = { plan, host, box, programs, steps: 0, frozenUntilUs: 0 }
    this.drive(world)
    return world
  }

  /** Programs are polled with every step of their host, which may be frozen. */
  private drive(world: WorldHost): void {
    const { host, programs } = world
    const step = host.step.bind(host)
    const rest = host.beforeSleep.bind(host)
    const deadline = host.nextDeadlineUs.bind(host)
    host.step = (nowUs) => {
      if (nowUs < world.frozenUntilUs) return 0
      if (this.hasBegun) this.count(world)
      let work = step(nowUs)
      for (const program of programs) work += program.step()
      return work
    }
    host.beforeSleep = (nowUs) => (nowUs < world.frozenUntilUs ? 0 : rest(nowUs))
    host.nextDeadlineUs = () => Math.max(deadline(), world.frozenUntilUs > this.nowUs ? world.frozenUntilUs : 0)
  }

  private count(world: WorldHost): void {
    world.steps++
    for (const { host, steps, act } of this.onSteps) if (this.hosts[host] === world && steps === world.steps) act()
  }

  /** All listeners are open, on good links. */
  open(): void {
    for (const { plan, serverName } of this.conversations) {
      if (plan.kind !== 'normal') continue
      const options = this.serverOptions(plan, serverName)
      this.program(plan.server, plan.serverApp).listen(plan.port, plan.backlog, options)
    }
    const wanted = this.conversations.filter(({ plan }) => plan.kind === 'normal').length
    const listening = (): number => this.hosts.flatMap(({ programs }) => programs).reduce((sum, program) => sum + program.listening, 0)
    if (!this.net.run(() => listening() === wanted, SECOND_US)) throw new Error('listeners do not open')
  }

  /** The links get as bad as planned, and everything else is on the agenda. */
  begin(): void {
    this.hasBegun = true
    for (const { host, plan } of this.hosts) this.net.setLink(host, plan.link)
    for (const conversation of this.conversations) this.schedule(conversation)
    for (const event of this.scenario.events) this.prepare(event)
  }

  program(host: number, app: number): ScenarioProgram {
    return this.hosts[host].programs[app]
  }

  private serverOptions({ clientEnd, serverEnd, kind, port }: ConversationPlan, name: string): SideOptions {
    const key = kind === 'normal' ? (connection: { readonly remotePort: number }) => connection.remotePort * 0x10000 + port : () => port
    return { name, plan: serverEnd, peerPlan: clientEnd, isClient: false, key }
  }

  private clientOptions({ clientEnd, serverEnd, kind, port }: ConversationPlan, name: string): SideOptions {
    const key = kind === 'normal' ? (connection: { readonly localPort: number }) => connection.localPort * 0x10000 + port : () => port
    return { name, plan: clientEnd, peerPlan: kind === 'self' ? clientEnd : serverEnd, isClient: true, key }
  }

  private schedule(conversation: Conversation): void {
    const { plan } = conversation
    for (let n = 0; n < plan.count; n++) {
      this.net.schedule(this.nowUs + plan.startUs + n * plan.gapUs, () => this.start(conversation))
    }
  }

  private start(conversation: Conversation): void {
    const { plan, name, serverName } = conversation
    const client = this.program(plan.client, plan.clientApp)
    if (!client.isDead) {
      const side = client.connect(hostIp(plan.server), plan.port, plan.localPort, this.clientOptions(plan, name))
      if (plan.kind === 'self') side.isLoop = true
      conversation.clients.push(side)
    }
    const server = this.program(plan.server, plan.serverApp)
    if (plan.kind !== 'simultaneous' || server.isDead) return
    server.connect(hostIp(plan.client), plan.localPort, plan.port, this.serverOptions(plan, serverName))
  }

  private prepare(event: EventPlan): void {
    if ('steps' in event) this.onSteps.push({ host: event.host, steps: event.steps, act: () => this.happen(event) })
    else this.net.schedule(this.nowUs + event.atUs, () => this.happen(event))
  }

  private happen(event: EventPlan): void {
    const world = this.hosts[event.host]
    const { host } = world
    switch (event.kind) {
      case 'killWorker': return host.replaceWorker()
      case 'killWorkerInPass': return host.killWorkerAfter(event.calls, event.isAfter)
      case 'killApp': return world.programs[event.app].kill()
      case 'hangApp':
        world.programs[event.app].hangsUntilUs = this.nowUs + event.forUs
        return this.wakeAt(this.nowUs + event.forUs)
      case 'freeze':
        world.frozenUntilUs = this.nowUs + event.forUs
        return this.wakeAt(world.frozenUntilUs)
      case 'linkDown': return this.unplug(host, event.forUs)
      case 'newMac': return this.renumber(world, event.isTold)
      case 'mtu': return this.net.setLink(host, { ...this.net.end(host).model.options, mtu: event.mtu })
      case 'clockJump': return host.jumpClock(event.byUs)
    }
  }

  private unplug(host: SimHost, forUs: number): void {
    const end = this.net.end(host)
    end.isDown = true
    this.net.schedule(this.nowUs + forUs, () => {
      end.isDown = false
    })
  }

  private renumber({ host, box }: WorldHost, isTold: boolean): void {
    const alias = Uint8Array.of(2, 1, ...host.mac.subarray(2))
    box.alias = alias
    if (isTold) for (const afterUs of ANNOUNCEMENTS_US) this.net.schedule(this.nowUs + afterUs, () => this.announce(host, alias))
  }

  private announce(host: SimHost, mac: Uint8Array): void {
    const ip = hostIp(this.hosts.findIndex((world) => world.host === host))
    const frame = new Uint8Array(ETHERNET_HEADER_BYTES + ARP_BYTES)
    emitEthernet(frame, { target: MAC_BROADCAST, source: mac, etherType: ETHERTYPE_ARP })
    emitArp(frame, ETHERNET_HEADER_BYTES, { operation: ARP_REQUEST, senderMac: mac, senderIp: ip, targetMac: new Uint8Array(MAC_BYTES), targetIp: ip })
    this.net.send(host, frame)
  }
}
