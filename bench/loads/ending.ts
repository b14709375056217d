/**
 * The end of a crowd: tens of thousands of clients close at the same time, and FINs that find no room are repeated. A server that ends before it
 * has answered them leaves the clients' host repeating them in step, and whatever shares their step is lost in the link's queues, such as SYNs of
 * the measurement that follows.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Namespace } from '../../tools/netlab/index.js'

const LOOK_EVERY_MS = 200
/** By then a FIN has been repeated five times, the first time after 200 ms. */
const PATIENCE_MS = 8_000

/** Whether a connection of `host` has sent a FIN that is not acknowledged. */
async function isClosing(host: Namespace): Promise<boolean> {
  return await host.run('ss', ['-Htn', 'state', 'fin-wait-1', 'state', 'last-ack', 'state', 'closing']) !== ''
}

/** Resolves when all that clients on `host` have closed has been acknowledged, or is not going to be. */
export async function allClosed(host: Namespace): Promise<void> {
  for (let waitedMs = 0; waitedMs < PATIENCE_MS && await isClosing(host); waitedMs += LOOK_EVERY_MS) await sleep(LOOK_EVERY_MS)
}
