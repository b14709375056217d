/** How a method of Node's is replaced by one that calls it. */

/** A method as Node has it. */
export type Method = (this: unknown, ...args: unknown[]) => unknown

/** Replaces method `name` of `target`, own or inherited, by `make(original)`. Throws TypeError if there is none. */
export function replaceMethod(target: object, name: PropertyKey, make: (original: Method) => Method): void {
  const original: unknown = Reflect.get(target, name)
  if (!isMethod(original)) throw new TypeError(`there is no method ${String(name)}`)
  const own = Object.getOwnPropertyDescriptor(target, name)
  const value = make(original)
  Object.defineProperty(value, 'name', { value: original.name, configurable: true })
  Object.defineProperty(target, name, { configurable: true, enumerable: own?.enumerable ?? true, writable: true, value })
}

function isMethod(value: unknown): value is Method {
  return typeof value === 'function'
}
