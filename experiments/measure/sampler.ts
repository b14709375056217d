/** What is looked at again and again while an experiment runs: queues, rates of flows. */
import type { Fabric, Flow, OutputPort } from '../engine/index.js'

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
