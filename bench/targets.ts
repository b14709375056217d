/**
 * What must be reached. One table: of a row, what TAS as a service or embedded must reach, as a factor of what another server does in the same
 * run, or as a figure of the row's own unit. Rows are named by their id (rows, steprow.ts).
 */
import type { ServerName } from './contenders.js'

/** The two ways to run TAS. */
export type TasMode = 'tas' | 'tasEmbedded'

export interface Target {
  readonly row: string
  readonly of: TasMode
  readonly bound: 'at most' | 'at least'
  readonly figure: number
  /** The figure is a factor of this server's; null: it is in the row's own unit. */
  readonly times: ServerName | null
}

type Line = readonly [row: string, of: TasMode, bound: Target['bound'], figure: number, times: ServerName | null]

const LINES: readonly Line[] = [
  // Issue 2: the first stage, the service alone.
  ['echo1.p50', 'tas', 'at most', 0.5, 'nodeNet'],
  ['echo64.rate', 'tas', 'at least', 1.5, 'nodeNet'],
  ['echo64.cpu', 'tas', 'at most', 0.7, 'nodeNet'],
  ['hog64.rate', 'tas', 'at least', 1, 'nodeNet'],
  ['receive.gbit', 'tas', 'at least', 1, 'nodeNet'],
  ['send.gbit', 'tas', 'at least', 1, 'nodeNet'],
  ['idle1k.cpu', 'tas', 'at most', 1, null],
  ['step.time', 'tas', 'at most', 100, null],
  ['step.garbage', 'tas', 'at most', 0, null],
  // Issue 5: unmodified Node programs, whichever TAS is beneath.
  ['http.cpu', 'tas', 'at most', 0.6, 'nodeNet'],
  ['http.cpu', 'tasEmbedded', 'at most', 0.6, 'nodeNet'],
  ['http-onecpu.rate', 'tas', 'at least', 1.6, 'nodeNet'],
  ['http-onecpu.rate', 'tasEmbedded', 'at least', 1.6, 'nodeNet'],
  ['net.rate', 'tas', 'at least', 1.5, 'nodeNet'],
  ['net.rate', 'tasEmbedded', 'at least', 1.5, 'nodeNet'],
  ['tls.rate', 'tas', 'at least', 1.2, 'nodeNet'],
  ['tls.rate', 'tasEmbedded', 'at least', 1.2, 'nodeNet'],
  ['redis.rate', 'tas', 'at least', 1, 'nodeNet'],
  ['redis.rate', 'tasEmbedded', 'at least', 1, 'nodeNet'],
  ['net-connect.rate', 'tas', 'at least', 1, 'nodeNet'],
  ['net-connect.rate', 'tasEmbedded', 'at least', 1, 'nodeNet'],
  // Issue 6: full speed, both modes.
  ['echo1.p50', 'tas', 'at most', 0.3, 'nodeNet'],
  ['echo1.p50', 'tasEmbedded', 'at most', 0.33, 'nodeNet'],
  ['echo1.p50', 'tasEmbedded', 'at most', 0.37, 'cEpoll'],
  ['echo1-onecpu.p50', 'tas', 'at most', 0.55, 'nodeNet'],
  ['echo1.p999', 'tas', 'at most', 1, 'nodeNet'],
  ['echo1.p999', 'tasEmbedded', 'at most', 1, 'cEpoll'],
  ['echo64.rate', 'tas', 'at least', 1.9, 'nodeNet'],
  ['echo64.rate', 'tas', 'at least', 1.2, 'cEpoll'],
  ['echo64.rate', 'tasEmbedded', 'at least', 2, 'nodeNet'],
  ['echo64.rate', 'tasEmbedded', 'at least', 1.25, 'cEpoll'],
  ['echo16.rate', 'tas', 'at least', 1.7, 'nodeNet'],
  ['echo16.rate', 'tas', 'at least', 1.1, 'cEpoll'],
  ['echo16.rate', 'tasEmbedded', 'at least', 2, 'nodeNet'],
  ['echo16.rate', 'tasEmbedded', 'at least', 1.2, 'cEpoll'],
  ['echo64.cpu', 'tas', 'at most', 0.55, 'nodeNet'],
  ['echo64.cpu', 'tas', 'at most', 0.9, 'cEpoll'],
  ['echo64.cpu', 'tasEmbedded', 'at most', 0.5, 'nodeNet'],
  ['echo64.cpu', 'tasEmbedded', 'at most', 0.8, 'cEpoll'],
  ['hog64.rate', 'tas', 'at least', 1.6, 'nodeNet'],
  ['hog64.rate', 'tasEmbedded', 'at least', 1.7, 'nodeNet'],
  ['depth8.rate', 'tas', 'at least', 2, 'nodeNet'],
  ['depth8.rate', 'tasEmbedded', 'at least', 2.5, 'nodeNet'],
  ['paced.p50', 'tas', 'at most', 1.5, 'nodeNet'],
  ['paced.p50', 'tasEmbedded', 'at most', 1, 'nodeNet'],
  ['connect.rate', 'tas', 'at least', 1.5, 'nodeNet'],
  ['connect.rate', 'tasEmbedded', 'at least', 2, 'nodeNet'],
  ['connect.rate', 'tasEmbedded', 'at least', 1.2, 'cEpoll'],
  ['receive.gbit', 'tas', 'at least', 1.2, 'cEpoll'],
  ['receive.gbit', 'tasEmbedded', 'at least', 1.2, 'cEpoll'],
  ['send.gbit', 'tas', 'at least', 1.1, 'cEpoll'],
  ['send.gbit', 'tasEmbedded', 'at least', 1.15, 'cEpoll'],
  ['send-long.gbit', 'tas', 'at least', 0.8, 'cEpoll'],
  ['send-long.gbit', 'tasEmbedded', 'at least', 0.9, 'cEpoll'],
  ['open10k.share', 'tas', 'at least', 0.9, null],
  ['open10k.share', 'tasEmbedded', 'at least', 0.9, null],
  ['idle50k.cpu', 'tas', 'at most', 0.5, null],
  ['idle50k.cpu', 'tasEmbedded', 'at most', 0.5, null],
  ['step.time', 'tas', 'at most', 80, null],
  ['step.workers', 'tas', 'at least', 1.8, null],
]

/** All of them; a row may have several. */
export const TARGETS: readonly Target[] = LINES.map(([row, of, bound, figure, times]) => ({ row, of, bound, figure, times }))
