/** A scenario in words, without what is as usual. */
import type { ConversationPlan, EndPlan, EventPlan, HostPlan, Scenario } from './plan.js'

function seconds(us: number): string {
  return us >= 1_000_000 ? `${(us / 1_000_000).toFixed(2)} s` : us >= 1000 ? `${(us / 1000).toFixed(2)} ms` : `${Math.round(us)} us`
}

function percent(p: number): string {
  return `${(p * 100).toPrecision(2)} %`
}

function linkText({ link }: HostPlan): string {
  const parts = [link.rateKbps ? `${(link.rateKbps / 1000).toFixed(1)} Mbit/s` : 'any rate', `delay ${seconds(link.delayUs ?? 0)}`]
  if (link.jitterUs) parts.push(`jitter ${seconds(link.jitterUs)}`)
  if (link.rateKbps && link.queue) parts.push(`queue ${link.queue.packets}`)
  if (link.ecn && link.ecn.packets !== Infinity) parts.push(`marks from ${link.ecn.packets}`)
  if (link.mtu !== undefined && link.mtu !== Infinity) parts.push(`MTU ${link.mtu}${link.icmp === false ? ', silent' : ''}`)
  for (const name of ['loss', 'duplicate', 'corrupt'] as const) if (link[name]) parts.push(`${name} ${percent(link[name])}`)
  if (link.reorder) parts.push(`reorder ${percent(link.reorder)} by ${seconds(link.reorderUs ?? 0)}`)
  if (link.burstLoss) parts.push(`bursts p ${percent(link.burstLoss.p)} r ${percent(link.burstLoss.r)} loss ${percent(link.burstLoss.lossBad)}`)
  return parts.join(', ')
}

function hostText(host: HostPlan, index: number): string[] {
  const strips = Object.entries(host.strip).filter(([, is]) => is).map(([name]) => name)
  const { rxBufLen, txBufLen, rxBufMax, txBufMax, ecn, timeWaitUs } = host.tcp
  return [
    `host ${index}: MTU ${host.mtu}, ${host.apps} app(s), buffers ${rxBufLen}/${txBufLen} to ${rxBufMax}/${txBufMax}, ecn ${ecn}${host.congestion.asksEcn ? ' (asked for)' : ''}, ${host.congestion.algorithm}, TIME-WAIT ${seconds(timeWaitUs ?? 0)}, rings ${host.fastEntries}/${host.controlBytes} B/${host.slowEntries}/${host.packetAreaBytes} B, region ${host.regionBytes}, clock +${host.clockUs} us${strips.length > 0 ? `, SYNs without ${strips.join(', ')}` : ''}`,
    `  link: ${linkText(host)}`,
  ]
}

function endText(end: EndPlan): string {
  const parts = [`sends ${end.sendBytes}`]
  if (end.roundBytes > 0) parts.push(`${end.roundBytes} a round`)
  if (end.thinkUs > 0) parts.push(`${end.writeBytes} at once every ${seconds(end.thinkUs)}`)
  if (end.readUs > 0) parts.push(`reads ${end.readBytes} every ${seconds(end.readUs)}`)
  if (end.pauseAt >= 0) parts.push(`stops reading at ${end.pauseAt} for ${seconds(end.pauseUs)}`)
  parts.push(end.end === 'abort' ? `aborts after ${end.abortAt}${end.isLinger0 ? ' (linger 0)' : ''}` : end.end)
  if (Object.keys(end.options).length > 0) parts.push(JSON.stringify(end.options))
  return parts.join(', ')
}

function conversationText(plan: ConversationPlan, index: number): string[] {
  const times = plan.count > 1 ? ` ${plan.count} times, ${seconds(plan.gapUs)} apart, backlog ${plan.backlog}` : ''
  return [
    `conversation ${index}: ${plan.kind}${times}, host ${plan.client} app ${plan.clientApp} -> host ${plan.server} app ${plan.serverApp} port ${plan.port}, after ${seconds(plan.startUs)}`,
    `  client ${endText(plan.clientEnd)}`,
    ...(plan.kind === 'normal' || plan.kind === 'simultaneous' ? [`  server ${endText(plan.serverEnd)}`] : []),
  ]
}

function eventText(event: EventPlan): string {
  const when = 'steps' in event ? `after ${event.steps} steps` : `after ${seconds(event.atUs)}`
  const details = Object.entries(event).filter(([name]) => !['kind', 'host', 'steps', 'atUs'].includes(name)).map(([name, value]) => `${name} ${value}`)
  return `${event.kind} of host ${event.host} ${when}${details.length > 0 ? `: ${details.join(', ')}` : ''}`
}

export function scenarioText(scenario: Scenario): string {
  return [
    `begins at ${scenario.startUs} us`, ...scenario.hosts.flatMap(hostText), ...scenario.conversations.flatMap(conversationText),
    ...scenario.events.map(eventText),
  ].join('\n')
}
