/** The regions that the service itself needs: state region and doorbell page. */
import { DOORBELL_PAGE_BYTES, placeState, StateView, writeStateHeader } from '../lib/memif/index.js'
import { closeFd, createRegion, type CreatedRegion, reopenReadOnly } from '../native/index.js'
import { useHugePages } from './hugepages.js'
import { stateRegionShape, type StateRegionOptions } from './sizes.js'
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

/**
 * Creates the state region, let go by `undo`. Who we are is written into it by the slow path. `prepare` gets its memory before it is first
 * written.
 */
export function createState(
  options: StateRegionOptions, workers: number, undo: UndoStack, prepare: (region: ArrayBuffer) => void = () => undefined,
): { readonly state: StateView; readonly region: CreatedRegion } {
  const shape = stateRegionShape(options, workers)
  const region = createRegion('tas-state', placeState(shape).totalBytes)
  undo.add('the state region', () => closeFd(region.fd))
  prepare(region.buffer)
  writeStateHeader(new Int32Array(region.buffer), shape)
  return { state: new StateView(region.buffer), region }
}

/** Creates both regions, let go by `undo`. */
export function createMemory(
  options: StateRegionOptions & { readonly fpNoHugepages: boolean }, workers: number, undo: UndoStack,
): ServiceMemory {
  const { state, region } = createState(options, workers, undo, (memory) => useHugePages(memory, options.fpNoHugepages))
  const page = createRegion('tas-doorbells', DOORBELL_PAGE_BYTES)
  undo.add('the doorbell page', () => closeFd(page.fd))
  const doorbellReadOnlyFd = reopenReadOnly(page.fd)
  undo.add('the doorbell page for applications', () => closeFd(doorbellReadOnlyFd))
  return { state, stateFd: region.fd, doorbells: new Int32Array(page.buffer), doorbellFd: page.fd, doorbellReadOnlyFd }
}
