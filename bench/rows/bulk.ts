/** One direction as fast as it goes, and connections that come and go. */
import { SERVERS } from '../contenders.js'
import { figures, limitedByClient, type Scenario } from './scenario.js'

const CALL_BYTES = 65_536
const LONG_CALL_BYTES = 1_048_576

/** In the order of the table. */
export const BULKS: readonly Scenario[] = [
  {
    name: 'receive', servers: SERVERS, load: { kind: 'native', options: { mode: 'bulk-out', connections: 1, size: CALL_BYTES } },
    rows: [limitedByClient(figures.gbit('receive.gbit', 'bulk receive, 64 KiB calls')), figures.client('receive.client', 'bulk receive, 64 KiB calls')],
  },
  {
    name: 'send', servers: SERVERS, load: { kind: 'native', options: { mode: 'bulk-in', connections: 1, size: CALL_BYTES } },
    rows: [figures.gbit('send.gbit', 'bulk send, 64 KiB calls')],
  },
  {
    name: 'send-long', servers: SERVERS, callBytes: LONG_CALL_BYTES,
    load: { kind: 'native', options: { mode: 'bulk-in', connections: 1, size: LONG_CALL_BYTES } },
    rows: [figures.gbit('send-long.gbit', 'bulk send, 1 MiB calls')],
  },
  {
    name: 'connect', servers: SERVERS, load: { kind: 'native', options: { mode: 'connect', connections: 16, size: 64 } },
    rows: [
      limitedByClient(figures.rate('connect.rate', 'open, one request, close; 16 at a time', 'connections/s')),
      figures.client('connect.client', 'open, one request, close; 16 at a time'),
    ],
  },
]
