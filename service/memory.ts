/** The regions that the service itself needs: state region and doorbell page. */
import { DOORBELL_PAGE_BYTES, placeState, StateView, writeStateHeader } from '../lib/memif/index.js'
import { closeFd, createRegion, reopenReadOnly } from '../native/index.js'
import type { Options } from './options.js'
import { stateRegionShape } from './sizes.js'
import type { UndoStack } from './undo.js'

/** Memory of the service. */
export interface ServiceMemory {
  readonly state: StateView
  readonly stateFd: number
  readonly doorbells: Int32Array
  readonly doorbellFd: number
  /** The doorbell page for applications. */
  readonly doorbellReadOnlyFd: number
}

/** Creates both regions, let go by `undo`. Who we are is written into the state region by the slow path. */
export function createMemory(options: Options, workers: number, undo: UndoStack): ServiceMemory {
  const shape = stateRegionShape(options, workers)
  const region = createRegion('tas-state', placeState(shape).totalBytes)
  undo.add('the state region', () => closeFd(region.fd))
  writeStateHeader(new Int32Array(region.buffer), shape)
  const state = new StateView(region.buffer)
  const page = createRegion('tas-doorbells', DOORBELL_PAGE_BYTES)
  undo.add('the doorbell page', () => closeFd(page.fd))
  const doorbellReadOnlyFd = reopenReadOnly(page.fd)
  undo.add('the doorbell page for applications', () => closeFd(doorbellReadOnlyFd))
  return { state, stateFd: region.fd, doorbells: new Int32Array(page.buffer), doorbellFd: page.fd, doorbellReadOnlyFd }
}
