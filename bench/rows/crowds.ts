/** Thousands of connections, most of them idle. */
import { SERVERS, type ServerName } from '../contenders.js'
import { figures, type Scenario } from './scenario.js'

/** The C client's and the kernel's ends are cheap; those of Bun say nothing about TAS. */
const SERVERS_OF_CROWDS: readonly ServerName[] = SERVERS.filter((server) => server !== 'bun')
const OPEN = '10,000 connections open, 100 of them active'
const IDLE = '50,000 connections open and idle'
/** An application's 4 GiB are divided among its connections, whether their memory is used or not: 50,000 want shorter buffers than the default. */
const BUFFER_BYTES = 32_768
/** V8 collects garbage some eight seconds after a process had much to do, once: seconds after which what is idle stays so. */
const SETTLED_AFTER = 12
/** Seconds to open them all. */
const PATIENCE = 60

/** In the order of the table. */
export const CROWDS: readonly Scenario[] = [
  {
    name: 'open10k', servers: SERVERS_OF_CROWDS,
    reference: { kind: 'native', options: { mode: 'echo', connections: 64, size: 64 } },
    load: { kind: 'native', options: { mode: 'echo', connections: 10_000, active: 100, size: 64, patience: PATIENCE } },
    rows: [
      figures.rate('open10k.rate', OPEN),
      {
        id: 'open10k.share', name: `${OPEN}: share of its own rate with 64`, unit: 'x', lowerIsBetter: false,
        value: (sample, reference) => sample.requestsPerSecond / reference.requestsPerSecond,
      },
    ],
  },
  {
    name: 'idle1k', servers: SERVERS_OF_CROWDS, load: { kind: 'native', options: { mode: 'idle', connections: 1000 } }, minSeconds: 5, minWarmup: SETTLED_AFTER,
    rows: [figures.cpuShare('idle1k.cpu', '1,000 connections open and idle: CPU')],
  },
  {
    name: 'idle50k', servers: SERVERS_OF_CROWDS, minSeconds: 5, minWarmup: 3, bufferBytes: BUFFER_BYTES,
    load: { kind: 'native', hasMemory: true, options: { mode: 'idle', connections: 50_000, patience: PATIENCE } },
    rows: [
      figures.cpuShare('idle50k.cpu', `${IDLE}: CPU`),
      {
        id: 'idle50k.memory', name: `${IDLE}: memory of each`, unit: 'bytes', lowerIsBetter: true,
        value: ({ bytesPerConnection }) => bytesPerConnection ?? Number.NaN,
      },
    ],
  },
]
