/** Why a connection may end otherwise than in good order, by rights of TCP. */
import type { ConversationPlan, EndPlan, EventPlan, HostPlan, Scenario } from './plan.js'
import type { Conversation, World } from './world.js'

const SECOND_US = 1_000_000
/** ARP gives up, and other timers of a handshake end, only after more than this. */
const LONG_US = 5 * SECOND_US
/** The least that a connection takes of an application's region (service/slow/buffersize.ts). */
const BUFFERS_BYTES = 1 << 17

/** Whether frames can be lost in a scenario. */
export function canLose({ hosts, events }: Scenario): boolean {
  const isLossy = ({ link }: HostPlan): boolean => {
    const { loss = 0, burstLoss = null, corrupt = 0, rateKbps = 0, mtu = Infinity } = link
    return loss > 0 || burstLoss !== null || corrupt > 0 || rateKbps > 0 || mtu !== Infinity
  }
  const losing = ['killWorker', 'killWorkerInPass', 'freeze', 'linkDown', 'newMac', 'mtu']
  return hosts.some(isLossy) || events.some(({ kind }) => losing.includes(kind))
}

/** Reasons for which connections of a conversation may fail; none: each must deliver all and end well. */
export function excusesOf(world: World, conversation: Conversation): string[] {
  const { scenario } = world
  const { plan } = conversation
  const involved = (host: number): boolean => host === plan.client || host === plan.server
  const events = scenario.events.filter(({ host }) => involved(host))
  const excuses: string[] = []
  if (plan.kind !== 'refused' && [plan.clientEnd, plan.serverEnd].some(({ end }) => end === 'abort')) excuses.push('aborted')
  const programs = [world.program(plan.client, plan.clientApp), world.program(plan.server, plan.serverApp)]
  if (programs.some(({ isDead }) => isDead)) excuses.push('application killed')
  excuses.push(...timeExcuses(scenario, plan, events))
  if (plan.kind === 'simultaneous' && events.some(({ kind }) => kind === 'freeze' || kind === 'hangApp')) excuses.push('not simultaneous')
  // A cookie that finds the queue full each time it comes back is too old in the end.
  const overflows = world.hosts[plan.server].host.slowCount('acceptOverflows')
  if (plan.backlog < plan.count && overflows > 0) excuses.push('backlog')
  // A crowded listener gives a half-open connection little more than a second (service/slow/synpressure.ts).
  const isCrowded = plan.count * 4 >= plan.backlog * 3
  if (isCrowded && events.some(({ kind }) => kind === 'linkDown' || kind === 'freeze')) excuses.push('crowded listener')
  // Handshakes that all repeat at the same moments find a short queue full each time.
  if (scenario.hosts.some(({ link }) => (link.queue?.packets ?? Infinity) < plan.count)) excuses.push('queue')
  for (const host of [plan.client, plan.server]) if (isShort(scenario, host)) excuses.push(`memory of host ${host}`)
  return excuses
}

function timeExcuses(scenario: Scenario, { clientEnd, serverEnd }: ConversationPlan, events: readonly EventPlan[]): string[] {
  const excuses: string[] = []
  const hasOption = (name: keyof EndPlan['options']): boolean => [clientEnd, serverEnd].some(({ options }) => options[name] !== undefined)
  if (hasOption('userTimeoutMs')) excuses.push('user timeout')
  if (hasOption('keepAlive') && canLose(scenario)) excuses.push('keepalive')
  for (const event of events) {
    const isLong = (event.kind === 'freeze' || event.kind === 'linkDown') && event.forUs > LONG_US
    if (isLong || (event.kind === 'clockJump' && event.byUs > SECOND_US)) excuses.push(`${event.kind} of host ${event.host}`)
  }
  if (events.filter(({ kind }) => kind === 'hangApp').length > 3) excuses.push('applications that hang')
  return excuses
}

/** Whether an application's region may have no room for all connections. */
function isShort({ hosts, conversations }: Scenario, host: number): boolean {
  const ends = conversations.reduce((sum, { client, server, count }) => sum + (client === host ? count : 0) + (server === host ? count : 0), 0)
  return ends * BUFFERS_BYTES > hosts[host].regionBytes / 2 || ends > hosts[host].flows / 2
}
