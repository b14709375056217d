/** Exceptions that nobody in JavaScript is to catch. */
import { addon } from './addon.js'

/**
 * Makes an uncaughtException of `exception` at once, in the async context and the domain that the caller is in. Returns if the program handles it,
 * and else ends process or thread as `throw` would.
 */
export function raiseUncaught(exception: unknown): void {
  addon().uncaught(exception)
}
