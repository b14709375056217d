/** What is measured: one load each, and the rows that are read from it. */
import type { LoadOptions, Measurement } from '../tools/netlab/index.js'

/** A goal: TAS reaches at least, or for `lowerIsBetter` at most, `factor` times what node:net does in the same run; or `limit` itself. */
export type Goal = { readonly factor: number } | { readonly limit: number }

/** A figure that is read from a measurement. */
export interface Row {
  readonly name: string
  readonly unit: string
  readonly lowerIsBetter: boolean
  readonly goal?: Goal
  value(measurement: Measurement): number
}

export interface Scenario {
  readonly name: string
  readonly load: Pick<LoadOptions, 'mode' | 'connections' | 'size' | 'depth'>
  /** A process that uses a CPU without end runs beside it. */
  readonly hog?: boolean
  /** Shortest measured time in seconds, where a shorter one says nothing. */
  readonly minSeconds?: number
  readonly rows: readonly Row[]
}

const cpuPerRequest = ({ serverCpuSeconds, load }: Measurement): number => (serverCpuSeconds / load.requests) * 1e6
const requestsPerSecond = ({ load }: Measurement): number => load.requestsPerSecond
const latencyP99 = ({ load }: Measurement): number => load.latencyUs.p99
const gbitPerSecond = ({ load }: Measurement): number => load.gbitPerSecond

const CALL_BYTES = 65_536

/** All scenarios, in the order of the table. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'echo1', load: { mode: 'echo', connections: 1, size: 64 },
    rows: [
      { name: '64 B echo, 1 connection: latency p50', unit: 'us', lowerIsBetter: true, goal: { factor: 0.5 },
        value: ({ load }) => load.latencyUs.p50 },
      { name: '64 B echo, 1 connection: latency p99', unit: 'us', lowerIsBetter: true, value: latencyP99 },
      { name: '64 B echo, 1 connection: server CPU', unit: 'us/request', lowerIsBetter: true, value: cpuPerRequest },
    ],
  },
  {
    name: 'echo64', load: { mode: 'echo', connections: 64, size: 64 },
    rows: [
      { name: '64 B echo, 64 connections', unit: 'requests/s', lowerIsBetter: false, goal: { factor: 1.5 },
        value: requestsPerSecond },
      { name: '64 B echo, 64 connections: latency p99', unit: 'us', lowerIsBetter: true, value: latencyP99 },
      { name: '64 B echo, 64 connections: server CPU', unit: 'us/request', lowerIsBetter: true, goal: { factor: 0.7 },
        value: cpuPerRequest },
    ],
  },
  {
    name: 'hog64', load: { mode: 'echo', connections: 64, size: 64 }, hog: true,
    rows: [{ name: '64 B echo, 64 connections, beside a CPU-bound process', unit: 'requests/s', lowerIsBetter: false,
      goal: { factor: 1 }, value: requestsPerSecond }],
  },
  {
    name: 'receive', load: { mode: 'bulk-out', connections: 1, size: CALL_BYTES },
    rows: [{ name: 'bulk receive, 64 KiB calls', unit: 'Gbit/s', lowerIsBetter: false, goal: { factor: 1 },
      value: gbitPerSecond }],
  },
  {
    name: 'send', load: { mode: 'bulk-in', connections: 1, size: CALL_BYTES },
    rows: [{ name: 'bulk send, 64 KiB calls', unit: 'Gbit/s', lowerIsBetter: false, goal: { factor: 1 },
      value: gbitPerSecond }],
  },
  {
    name: 'connect', load: { mode: 'connect', connections: 16, size: 64 },
    rows: [{ name: 'open, one request, close; 16 at a time', unit: 'connections/s', lowerIsBetter: false,
      value: requestsPerSecond }],
  },
  {
    name: 'idle', load: { mode: 'idle', connections: 1000 }, minSeconds: 5,
    rows: [{ name: 'idle CPU with 1,000 open connections', unit: '% of a CPU', lowerIsBetter: true, goal: { limit: 1 },
      value: ({ serverCpuSeconds, load }) => (serverCpuSeconds / load.seconds) * 100 }],
  },
]
