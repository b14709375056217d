/** Where Node's tests run: plain Node, and a TAS, that of a service or one of the program's own. */
import { join } from 'node:path'
import {
  type Cleanup, compiled, createHost, createLab, KERNEL_ADDRESS, PREFIX_LENGTH, startService, TAS_ADDRESS, TAS_INTERFACE, uniqueName,
} from '../../tools/netlab/index.js'
import type { Ground } from './runner.js'
import { copyWithAddress } from './source.js'

/** The two that are compared; `name` is that of the TAS. */
export interface Grounds {
  readonly name: string
  readonly plain: Ground
  readonly tas: Ground
}

const INTERPOSE = compiled('lib/interpose/index.js')
const REFUSALS = compiled('test/nodesuite/refusals.js')

/** What tests see of the address that stands for 127.0.0.1. */
type Places = Record<'plain' | 'tas', Pick<Ground, 'folder' | 'address' | 'preloads' | 'env'>>

async function copies(suite: string, folder: string, cleanup: Cleanup): Promise<Places> {
  const places = { plain: join(folder, 'plain'), tas: join(folder, 'tas') }
  const isWanted = (): boolean => !cleanup.interrupted
  const copying = copyWithAddress(suite, places.plain, KERNEL_ADDRESS, isWanted).then(() => copyWithAddress(suite, places.tas, TAS_ADDRESS, isWanted))
  // The folder is removed behind it: what is still being copied would make it anew.
  cleanup.add('copying the tests', () => copying)
  await copying
  return {
    plain: { folder: places.plain, address: KERNEL_ADDRESS, preloads: [], env: {} },
    tas: { folder: places.tas, address: TAS_ADDRESS, preloads: [INTERPOSE], env: {} },
  }
}

/** All jobs on one service. `folder` is for files. */
export async function onService(suite: string, folder: string, cleanup: Cleanup): Promise<Grounds> {
  const lab = await createLab({ name: uniqueName('tas-nodesuite') }, cleanup)
  const service = await startService(lab, { folder })
  const { plain, tas } = await copies(suite, folder, cleanup)
  const shared = { namespaces: [lab.tas.name], isAlone: false }
  return { name: 'the service', plain: { ...plain, ...shared }, tas: { ...tas, ...shared, env: service.env } }
}

/** Each job with a namespace, in which the test's first process makes a TAS. `folder` is for files. */
export async function onOwnTas(suite: string, folder: string, jobs: number, cleanup: Cleanup): Promise<Grounds> {
  const namespaces: string[] = []
  for (let job = 0; job < jobs; job++) namespaces.push((await createHost(uniqueName('tas-nodesuite'), cleanup)).name)
  const { plain, tas } = await copies(suite, folder, cleanup)
  const own = { namespaces, isAlone: true }
  const env = { TASJS_INTERPOSE_EMBEDDED: `--nic=${TAS_INTERFACE} --ip-addr=${TAS_ADDRESS}/${PREFIX_LENGTH}` }
  return { name: 'a TAS of its own', plain: { ...plain, ...own }, tas: { ...tas, ...own, env, preloads: [REFUSALS, INTERPOSE] } }
}
