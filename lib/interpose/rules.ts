/** Rules: which addresses and ports are TAS's. Text: `tas|kernel ADDRESS[/PREFIX][:PORT[-PORT]]`, `*` for every address. */
import { ipv4Word } from '../tas/index.js'

/** One rule. Addresses are signed words (10.0.0.1 is 0x0a000001). */
export interface Rule {
  readonly isTas: boolean
  readonly ip: number
  readonly mask: number
  readonly firstPort: number
  readonly lastPort: number
}

const RULE = /^(tas|kernel)\s+(\*|[\d.]+)(?:\/(\d{1,2}))?(?::(\d{1,5})(?:-(\d{1,5}))?)?$/
/** How an IPv6 address holds an IPv4 one (RFC 4291, 2.5.5.2). */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** '10.0.0.1' or '::ffff:10.0.0.1' as a signed word, or null for what is no IPv4 address. */
export function wordOf(address: string): number | null {
  return ipv4Word(MAPPED.exec(address)?.[1] ?? address)
}

/** Mask of a prefix length as a signed word: 24 gives 255.255.255.0. */
export function maskOf(prefix: number): number {
  return prefix === 0 ? 0 : -1 << (32 - prefix)
}

/** Parses one rule. Throws RangeError that says what is wanted. */
export function parseRule(text: string): Rule {
  const match = RULE.exec(text.trim())
  const bad = (): RangeError => new RangeError(`${JSON.stringify(text.trim())}: want tas|kernel ADDRESS[/PREFIX][:PORT[-PORT]], `
    + 'as in "kernel 10.0.0.5:5432" or "tas *:8000-8099"')
  if (match === null) throw bad()
  const [, where, address = '*', prefixText, first, last] = match
  const ip = address === '*' ? 0 : wordOf(address)
  const prefix = Number(prefixText ?? (address === '*' ? 0 : 32))
  const firstPort = Number(first ?? 0)
  const lastPort = Number(last ?? first ?? 0xffff)
  if (ip === null || prefix > 32 || lastPort > 0xffff || firstPort > lastPort) throw bad()
  const mask = maskOf(prefix)
  return { isTas: where === 'tas', ip: ip & mask, mask, firstPort, lastPort }
}

/** Parses rules separated by commas; none in an empty text. Throws RangeError. */
export function parseRules(text: string): Rule[] {
  return text.split(',').filter((part) => part.trim() !== '').map(parseRule)
}

/** What the first rule that fits says: true for TAS, false for the kernel; null if none fits. */
export function decide(rules: readonly Rule[], ip: number, port: number): boolean | null {
  for (const rule of rules) {
    if ((ip & rule.mask) === rule.ip && port >= rule.firstPort && port <= rule.lastPort) return rule.isTas
  }
  return null
}
