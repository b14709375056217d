/** What is looked at again and again while an experiment runs: queues, rates of flows, round-trip times. */
import { TCB_SRTT_US8, TCB_WORDS } from '../../lib/memif/index.js'
import type { Fabric, Flow, Node, OutputPort } from '../engine/index.js'

export interface Sample {
  /** Microseconds since the beginning. */
  readonly atUs: number
  readonly value: number
}

/** Frames that wait at `port`, every `everyUs` from now on. */
export function sampleQueue(fabric: Fabric, port: OutputPort, everyUs: number): Sample[] {
  const samples: Sample[] = []
  fabric.every(everyUs, (atUs) => samples.push({ atUs, value: port.queued(fabric.timeline.nowUs) }))
  return samples
}

/** The smoothed round-trip time of `flow` as its sender's worker measures it (RFC 6298), microseconds; 0: not known. */
export function smoothedRttUs({ host }: Node, flow: Flow): number {
  const index = flow.connection?.flow ?? -1
  return index < 0 ? 0 : (host.state.words[host.state.tcbWord + index * TCB_WORDS + TCB_SRTT_US8] >>> 0) / 8
}

/** Goodput of each flow over `us` microseconds, kbit/s: lets that time pass. */
export function measureRates(fabric: Fabric, flows: readonly Flow[], us: number): number[] {
  for (const flow of flows) flow.take()
  fabric.pass(us)
  return flows.map((flow) => (flow.take() * 8000) / us)
}

/** Those of `samples` from `fromUs` on. */
export function since(samples: readonly Sample[], fromUs: number): number[] {
  return samples.filter(({ atUs }) => atUs >= fromUs).map(({ value }) => value)
}
