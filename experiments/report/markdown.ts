/** Figures and verdicts as texts. */
import { markdownTable } from '../../tools/netlab/documents.js'
import type { Goal } from './experiment.js'

/** Stated figures, with what was found. */
export function goalsText(goals: readonly Goal[]): string {
  const rows = goals.map(({ what, figure, isMet }) => [what, figure, verdict(isMet)])
  return markdownTable(['stated', 'found', ''], rows)
}

export function verdict(isMet: boolean): string {
  return isMet ? 'met' : '**NOT met**'
}

/** kbit/s as a text with a unit that suits it. */
export function rateText(kbps: number): string {
  if (kbps >= 1e6) return `${trimmed(kbps / 1e6)} Gbit/s`
  if (kbps >= 1e3) return `${trimmed(kbps / 1e3)} Mbit/s`
  return `${trimmed(kbps)} kbit/s`
}

/** Three digits that count. */
export function trimmed(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : String(value)
}

/** A share as per cent with `digits` behind the point. */
export function percentText(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits)} %`
}
