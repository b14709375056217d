/** The load on a server that is being profiled: 64 bytes that come back, on connections that last or that open and close; or what wrk asks for. */
import { startLoad } from '../../tools/netlab/index.js'
import type { Contender } from '../contenders.js'
import type { LoadContext } from '../loads/context.js'
import { wrk, type WrkLoad } from '../loads/wrk.js'
import { failureOf } from '../sample.js'

export type ProfileLoad = WrkLoad | NativeProfileLoad

export interface NativeProfileLoad {
  readonly kind: 'native'
  readonly mode: 'echo' | 'connect'
  readonly connections: number
}

/** What was measured of it. */
export interface Answered {
  readonly requests: number
  readonly requestsPerSecond: number
}

/** A load that goes on. */
export interface RunningLoad {
  /** Resolves when what is measured begins. */
  measuring(): Promise<void>
  /** Resolves when the load is over. Throws Error if connections fail. */
  result(): Promise<Answered>
  /** Ends it early. */
  stop(): Promise<void>
}

/** Starts a load of `context.seconds` behind `context.warmup`. */
export function startProfileLoad(load: ProfileLoad, contender: Contender, context: LoadContext): RunningLoad {
  return load.kind === 'native' ? startNative(load, contender, context) : startWrk(load, contender, context)
}

function startNative({ mode, connections }: NativeProfileLoad, { address }: Contender, { lab, warmup, seconds, clientCpu }: LoadContext): RunningLoad {
  const bound = clientCpu === null ? {} : { cpu: clientCpu }
  const load = startLoad(lab.peer, { mode, address, connections, size: 64, warmup, seconds, keep: 1, ...bound })
  return {
    measuring: () => load.measuring(),
    async result() {
      const result = await load.result()
      const failure = failureOf(result)
      if (failure !== null) throw new Error(failure)
      return result
    },
    async stop() {
      await load.process.stop()
    },
  }
}

/** Wrk has no warm-up of its own: the first of two runs is not counted. It cannot be ended early, and ends by itself. */
function startWrk(load: WrkLoad, contender: Contender, context: LoadContext): RunningLoad {
  const warm = context.warmup > 0 ? wrk(load, contender, context, context.warmup).then(() => undefined) : Promise.resolve()
  const measured = warm.then(() => wrk(load, contender, context, context.seconds))
  // Whoever asks for the result hears of a failure; nobody may have asked yet.
  measured.catch(() => undefined)
  return {
    measuring: () => warm,
    async result() {
      const result = await measured
      if (result.failure !== null) throw new Error(result.failure)
      return result
    },
    async stop() {
      await measured.catch(() => undefined)
    },
  }
}
