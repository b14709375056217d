/** Preloaded into each of Node's tests: `localhost` is the address in SUITE_ADDRESS, so that what a test opens goes there. */
import dns from 'node:dns'

type Lookup = (host: string, ...rest: unknown[]) => unknown
type Answer = (error: null, ...result: unknown[]) => void

const address = process.env['SUITE_ADDRESS'] ?? '127.0.0.1'
const lookup = dns.lookup as Lookup

function settings(given: unknown): { readonly family?: unknown; readonly all?: unknown } {
  return typeof given === 'object' && given !== null ? given : { family: given }
}

function lookUpHere(host: string, ...rest: unknown[]): unknown {
  const answer = rest.at(-1) as Answer
  const { family, all } = rest.length > 1 ? settings(rest[0]) : {}
  if (host !== 'localhost' || family === 6) return Reflect.apply(lookup, dns, [host, ...rest])
  const result = all === true ? [[{ address, family: 4 }]] : [address, 4]
  process.nextTick(answer, null, ...result)
  return undefined
}

// With the custom form of promisify.
Object.defineProperties(lookUpHere, Object.getOwnPropertyDescriptors(lookup))
dns.lookup = lookUpHere as unknown as typeof dns.lookup
