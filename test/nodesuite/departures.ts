/** Tests of Node's that cannot pass, or need not, on TAS: the first rule that fits a name says why. */

const DEPARTURES: readonly (readonly [RegExp, string])[] = [
]

/** Why a test is not expected to pass, or null if it is. */
export function departureOf(name: string): string | null {
  return DEPARTURES.find(([pattern]) => pattern.test(name))?.[1] ?? null
}
