/** For what stands between a context and a program's callbacks. */
export { raiseUncaught } from '../../native/index.js'
