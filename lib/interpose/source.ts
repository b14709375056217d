/** Where a thread's TAS comes from: a service, or one of the program's own. Nothing else here knows which of the two it is. */
import cluster from 'node:cluster'
import { isMainThread } from 'node:worker_threads'
import { type Networks, Tas, TasError } from '../tas/index.js'
import { prepare } from './embedded.js'
import type { Settings } from './settings.js'
import { beforeFatalSignal } from './signals.js'

export interface TasSource {
  /** What it will reach; null if only the TAS itself can say, once it is there. */
  readonly networks: Networks | null
  /** Whether one that is not there may come later. If not, connections use the kernel and listeners fail. */
  readonly isAwaited: boolean
  /** Code of the warning that there is none, and what follows from it. */
  readonly absence: { readonly code: string; readonly consequence: string }
  /** Connects to the service, or makes the program's own TAS. Throws TasError. */
  open(): Tas
}

const service: TasSource = {
  networks: null,
  isAwaited: true,
  absence: { code: 'TASJS_NO_SERVICE', consequence: 'Until then only the kernel\'s TCP is used' },
  open: () => Tas.connect(),
}

/** A process whose servers listen where the TAS is (hooks/handout.ts). */
const isOfCluster = isMainThread && cluster.isWorker

/** Who of a program cannot have a TAS of its own: the same settings make one for the main thread of the first process. */
function whoWeAre(): string | null {
  if (!isMainThread) return 'a worker thread'
  return isOfCluster ? 'a worker of a cluster' : null
}

function embedded(args: readonly string[]): TasSource {
  const prepared = prepare(args)
  let current: Tas | null = null
  return {
    networks: prepared.networks,
    isAwaited: false,
    absence: {
      code: 'TASJS_NO_EMBEDDED',
      consequence: isOfCluster ? 'Here connections use the kernel\'s TCP, servers listen on the TAS of the primary'
        : 'Here connections use the kernel\'s TCP and servers that belong on TAS fail; several processes or threads need the service',
    },
    open() {
      const who = whoWeAre()
      if (who !== null) throw new TasError('ENOTSUP', `an embedded TAS is for the main thread of one process, and this is ${who}`)
      const isFirst = current === null
      current = prepared.open()
      if (isFirst) beforeFatalSignal(() => current?.close())
      return current
    },
  }
}

/** The source that the user has chosen. Makes nothing yet. Throws SettingError. */
export function sourceOf(settings: Settings): TasSource {
  return settings.embedded === null ? service : embedded(settings.embedded)
}
