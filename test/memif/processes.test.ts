/** Rings between two real processes. The watchdog is here: in the processes nothing has a time-out. */
import { afterEach, describe, expect, it } from 'vitest'
import { closeFd, createRegion, EventFd, type CreatedRegion } from '../../native/index.js'
import { Cleanup, compiled, missing, within } from '../../tools/netlab/index.js'
import { testRandom } from '../e2e/random.js'
import { ChildWithFds } from './child.js'
import { CONSUMER_MARK, PRODUCER_MARK, REGION_BYTES, RING_PLACE, type PeerReport, type RingKind } from './ringpeer.js'

const PEER = compiled('test/memif/ringpeer.js')
const ENTRIES = 1_000_000
const WATCHDOG_MS = 50_000
/** Each side must have slept so often that a lost wake-up would have shown. */
const LEAST_SLEEPS = 1000
const unbuilt = missing([PEER]).length > 0

/** Where both sides stand: what the watchdog says. */
function describeState({ buffer }: CreatedRegion): string {
  const words = new Int32Array(buffer)
  const [tail, head] = [words[RING_PLACE.ring.firstWord], words[RING_PLACE.ring.firstWord + 16]]
  return `tail ${tail}, head ${head}, producer sleeps: ${words[PRODUCER_MARK]}, consumer sleeps: ${words[CONSUMER_MARK]}`
}

describe.skipIf(unbuilt)(`rings between two processes${unbuilt ? ' (skipped: npm run build)' : ''}`, () => {
  const cleanup = new Cleanup()
  afterEach(async () => { expect(await cleanup.run()).toEqual([]) })

  async function exchange(kind: RingKind, startAt: number): Promise<readonly [PeerReport, PeerReport]> {
    const { seed } = testRandom()
    const region = createRegion('tas-ring-test', REGION_BYTES)
    const wakes = [new EventFd(), new EventFd()]
    cleanup.add('descriptors', () => [region.fd, ...wakes.map(({ fd }) => fd)].forEach(closeFd))
    const words = new Int32Array(region.buffer)
    words[RING_PLACE.ring.firstWord] = startAt
    words[RING_PLACE.ring.firstWord + 16] = startAt
    const peers = ['produce', 'consume'].map((role) => {
      const child = new ChildWithFds(PEER, [role, kind, String(seed), String(ENTRIES)], [region.fd, ...wakes.map(({ fd }) => fd)])
      cleanup.add(role, () => child.kill())
      return child
    })
    const outputs = await within('both processes end', Promise.all(peers.map((peer) => peer.output)), WATCHDOG_MS)
      .catch((error: unknown) => { throw new Error(`${String(error)}; ${describeState(region)}`) })
    const [produced, consumed] = outputs.map((output) => JSON.parse(output) as PeerReport)
    return [produced, consumed]
  }

  it.each([['entries', 0], ['packets', 0], ['entries', -500_000], ['packets', 0x7fffffff - 500_000]] as const)(
    'a million %s from count %i in random batches, both sides sleeping -> all there, in order, no wake-up lost',
    { timeout: WATCHDOG_MS + 10_000 },
    async (kind, startAt) => {
      const [produced, consumed] = await exchange(kind, startAt)
      expect([consumed.entries, consumed.checksum]).toEqual([ENTRIES, produced.checksum])
      expect(produced.sleeps).toBeGreaterThan(LEAST_SLEEPS)
      expect(consumed.sleeps).toBeGreaterThan(LEAST_SLEEPS)
      console.info(`${kind}: producer slept ${produced.sleeps} times, consumer ${consumed.sleeps}`)
    },
  )
})
