/** What the scenarios of churn have in common: which seeds, over what, and how long. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Seen } from '../runner.js'
import { type Kind, OVER_TCP, overTls } from './ends.js'

/** Connections of a seed, without those that others open. */
export const CONNECTIONS = 100
/** Below that of a case, so that it can say what hangs. */
const LIMIT_MS = 12_000

export type KindName = 'TCP' | 'TLS'

const folder = process.env['CERTIFICATES'] ?? ''
const pem = (name: string): Buffer => readFileSync(join(folder, `${name}.pem`))
const [from, to] = (process.env['CHURN_SEEDS'] ?? '1-3').split('-').map(Number)

export const seeds: readonly number[] = Array.from({ length: to - from + 1 }, (_, i) => from + i)
/** Who servers say they are; null where there are no certificates. */
export const identity = folder === '' ? null : { key: pem('server-key'), cert: pem('server') }

export function kindOf(name: KindName): Kind {
  if (name === 'TCP') return OVER_TCP
  if (identity === null) throw new Error('no certificates: CERTIFICATES is not set')
  return overTls(identity.key, identity.cert)
}

/** A case for each seed, over TCP and over TLS if there are certificates. */
export function casesOf(run: (kind: KindName, seed: number) => Promise<Seen>): Record<string, () => Promise<Seen>> {
  const cases: Record<string, () => Promise<Seen>> = {}
  for (const kind of identity === null ? ['TCP'] as const : ['TCP', 'TLS'] as const) {
    for (const seed of seeds) cases[`${kind}, seed ${seed}`] = () => run(kind, seed)
  }
  return cases
}

/** Whether `work` is done in time. */
export function inTime(work: Promise<unknown>): Promise<boolean> {
  return Promise.race([work.then(() => true), new Promise<boolean>((resolve) => setTimeout(() => resolve(false), LIMIT_MS).unref())])
}
