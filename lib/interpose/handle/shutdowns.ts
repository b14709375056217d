/** Ends of streams: those that are asked for in one turn leave together in the next. */
import type { Context } from '../../tas/index.js'
import { runTicks } from '../internals.js'
import { Batches } from './batches.js'

/** A stream to end. */
export interface Ending {
  readonly context: Context | undefined
  runShutdown(): void
}

const endings = new Batches<Ending>(shutAll)

/**
 * Calls `runShutdown` of `ending` in the next turn: libuv shuts down then as well (uv_shutdown, uv__drain), and what ends the handle before is not
 * preceded by a FIN.
 */
export function shutLater(ending: Ending): void {
  endings.add(ending.context?.turn ?? 0, ending)
}

function shutAll(all: readonly Ending[]): void {
  const context = all[0]?.context
  if (context === undefined) shutEach(all)
  else context.together(() => shutEach(all))
}

function shutEach(all: readonly Ending[]): void {
  let done = 0
  try {
    while (done < all.length) {
      all[done++].runShutdown()
      // As behind each callback of libuv.
      runTicks()
    }
  } finally {
    // Only after an exception of the program's: the others come in a turn of their own.
    for (const ending of all.slice(done)) shutLater(ending)
  }
}
