/** The slow path, as the service, an embedded stack and a simulation use it. */
export { SlowPath, type SlowEnv } from './slowpath.js'
export * from './config.js'
export type { Algorithm, Flow, FlowControl } from './congestion/algorithm.js'
export type { Logger, LogFields } from './log.js'
export type { AppRegion, WorkerLink } from './workers.js'
export type { HostKernel } from './hostkernel.js'
export { RegistryError, type AppRegistry } from './registry.js'
