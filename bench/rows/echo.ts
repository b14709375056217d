/** Small requests on some connections, on servers written for what they run on. */
import { SERVERS } from '../contenders.js'
import type { NativeLoad } from '../loads/native.js'
import { figures, limitedByClient, type Scenario } from './scenario.js'

const ECHO = '64 B echo'
const ONE = `${ECHO}, 1 connection`
const SIXTEEN = `${ECHO}, 16 connections`
const MANY = `${ECHO}, 64 connections`

function echo(connections: number, more: Partial<NativeLoad['options']> = {}): NativeLoad {
  return { kind: 'native', options: { mode: 'echo', connections, size: 64, ...more } }
}

/** In the order of the table. */
export const ECHOES: readonly Scenario[] = [
  {
    name: 'echo1', servers: SERVERS, load: echo(1),
    rows: [figures.p50('echo1.p50', ONE), figures.p99('echo1.p99', ONE), figures.p999('echo1.p999', ONE), figures.cpu('echo1.cpu', ONE)],
  },
  {
    name: 'echo1-onecpu', servers: SERVERS, load: echo(1), hasOneCpu: true,
    rows: [figures.p50('echo1-onecpu.p50', `${ONE}, all of the server on one CPU`)],
  },
  { name: 'paced', servers: SERVERS, load: echo(1, { interval: 0.001 }), rows: [figures.p50('paced.p50', `${ECHO}, one request each millisecond`)] },
  { name: 'echo16', servers: SERVERS, load: echo(16), rows: [limitedByClient(figures.rate('echo16.rate', SIXTEEN)), figures.client('echo16.client', SIXTEEN)] },
  {
    name: 'depth8', servers: SERVERS, load: echo(16, { depth: 8 }),
    rows: [limitedByClient(figures.rate('depth8.rate', `${SIXTEEN}, depth 8`)), figures.client('depth8.client', `${SIXTEEN}, depth 8`)],
  },
  {
    name: 'echo64', servers: SERVERS, load: echo(64),
    rows: [
      limitedByClient(figures.rate('echo64.rate', MANY)), figures.p99('echo64.p99', MANY), figures.cpu('echo64.cpu', MANY),
      figures.client('echo64.client', MANY),
    ],
  },
  { name: 'hog64', servers: SERVERS, load: echo(64), hasHog: true, rows: [figures.rate('hog64.rate', `${MANY}, beside a CPU-bound process`)] },
]
