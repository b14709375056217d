/**
 * An embedded TAS that is checked now and made later, without waiting for anything: for programs whose first socket decides whether there is to
 * be one (lib/interpose). An entry of its own (tools/setup/build.mjs), since only such programs load it.
 */
import { requireModule } from '../../service/congestionmodule.js'
import type { Networks } from '../tas/link.js'
import type { Tas } from '../tas/tas.js'
import { networksOf, openEmbedded, typedError } from './create.js'
import { readArguments } from './options.js'

export interface PreparedTas {
  /** What it will reach. */
  readonly networks: Networks
  /** Makes it. Throws TasError as `createEmbedded` does. */
  open(): Tas
}

/**
 * Checks a command line as that of `tas`, without the options of the service, and loads the module that --cc may name, which must have no
 * top-level await. Throws TasError EINVAL.
 */
export function prepareEmbedded(argv: readonly string[]): PreparedTas {
  return typed(() => {
    const options = readArguments(argv)
    const congestionModule = requireModule(options.cc)
    return { networks: networksOf(options), open: () => typed(() => openEmbedded(options, congestionModule)) }
  })
}

function typed<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    throw typedError(error)
  }
}
