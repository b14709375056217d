/** The typed face of the native addon. It holds no TCP. */
export * from './port.js'
