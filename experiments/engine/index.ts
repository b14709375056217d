/** Whole hosts, switches and wires under virtual time. */
export * from './fabric.js'
export * from './flowprogram.js'
export * from './node.js'
export * from './outputport.js'
export * from './switch.js'
export * from './timeline.js'
