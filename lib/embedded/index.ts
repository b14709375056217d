/** Package `tasjs/embedded`: a TAS within the program. docs/embedded.md. */
export { createEmbedded } from './create.js'
export type { EmbeddedOptions } from './options.js'
