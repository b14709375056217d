/**
 * What hooks of `async_hooks` see of handles on TAS. A handle is one resource, TCPWRAP, as one of the kernel is, though beneath it are two: a
 * JSStream, which C++ counts as JSSTREAM, and an AsyncResource in whose context JavaScript calls the program.
 */
import { AsyncResource } from 'node:async_hooks'
import { raiseUncaught } from '../tas/uncaught.js'
import { asyncStateOfNode, CONTEXT_FRAME, JSStream, SHOWN } from './internals.js'

const state = asyncStateOfNode
/** How many hooks there are of each kind: none is called where it says 0. */
const hooks = state?.hooks ?? new Uint32Array(4)
const { init: INIT, before: BEFORE, after: AFTER, destroy: DESTROY } = state ?? { init: 0, before: 1, after: 2, destroy: 3 }
/** What `getProviderType` of a TCP handle says; null where it is not known. */
export const TCP_WRAP = state?.tcpWrap ?? null

/** Shown for the resource that is being made: its constructor calls the hooks. */
let shownNow: object | null = null

/** An async context that programs are shown as `shown`, such as the handle whose callbacks run in it. Nobody but `emitDestroy` destroys it. */
export class ShownResource extends AsyncResource {
  private readonly shown: object | null

  constructor(type: string, shown: object, triggerAsyncId?: number) {
    shownNow = shown
    super(type, { triggerAsyncId, requireManualDestroy: true })
    this.shown = shown
    shownNow = null
  }

  /** @internal */
  get forHooks(): object | null {
    return this.shown ?? shownNow
  }
}

if (SHOWN !== null) {
  const descriptor = Object.getOwnPropertyDescriptor(ShownResource.prototype, 'forHooks')
  if (descriptor !== undefined) Object.defineProperty(ShownResource.prototype, SHOWN, descriptor)
}

/** Until `unmuteInits` with what this returns, hooks do not hear of new resources. */
export function muteInits(): number {
  const count = hooks[INIT]
  if (count > 0) hooks[INIT] = 0
  return count
}

export function unmuteInits(count: number): void {
  if (count > 0) hooks[INIT] = count
}

/** What C++ makes has the async id of this one. */
export interface Shown {
  getAsyncId(): number
}

/** Makes a handle of C++ that hooks take for `shown`. */
export function makeShared<T extends object>(make: () => T, shown: Shown): T {
  const inits = muteInits()
  const handle = make()
  unmuteInits(inits)
  if (inits > 0) shareId(handle, shown, shown.getAsyncId())
  return handle
}

/**
 * Gives `handle`, of C++, the async id of another resource, without hooks hearing of it: what C++ does with it is then that one's. Where hooks
 * cannot be kept from hearing of it, it gets a new id of its own.
 */
export function shareId(handle: object, shown: object, asyncId: number): void {
  if (state === null) return void Reflect.apply(JSStream.prototype.asyncReset, handle, [shown])
  const inits = muteInits()
  resetUndestroyed(handle, shown, asyncId)
  unmuteInits(inits)
}

/**
 * Ends what `shareId` did, before the end of the other resource: C++ destroys the id of `handle` when it frees it, and each id is to be destroyed
 * once. Hooks see a new resource, which ends then.
 */
export function unshareId(handle: object, asyncId: number): void {
  if (hooks[DESTROY] > 0 && Reflect.apply(JSStream.prototype.getAsyncId, handle, []) === asyncId) resetUndestroyed(handle, {})
}

function resetUndestroyed(handle: object, shown: object, asyncId?: number): void {
  const destroys = hooks[DESTROY]
  hooks[DESTROY] = 0
  Reflect.apply(JSStream.prototype.asyncReset, handle, [shown, asyncId])
  hooks[DESTROY] = destroys
}

/** Without any store of AsyncLocalStorage. It is older than the program's hooks, which must not see it entered and left. */
const root = new AsyncResource('TASJS')

/** The same where hooks cannot be kept from seeing it: one whose beginning they have seen. */
function newRoot(): AsyncResource {
  if (state !== null || CONTEXT_FRAME === null) return root
  const resource = new AsyncResource('TASJS')
  Reflect.set(resource, CONTEXT_FRAME, Reflect.get(root, CONTEXT_FRAME))
  return resource
}

/** Runs `run` in no async context and no domain of the program's, as C++ calls what nobody in JavaScript has asked for. */
export function atRoot<T>(run: () => T): T {
  const domain: unknown = Reflect.get(process, 'domain')
  if (hooks[BEFORE] === 0 && hooks[AFTER] === 0 && !domain) return newRoot().runInAsyncScope(run)
  if (domain) Reflect.set(process, 'domain', null)
  try {
    return atRootUnseen(run)
  } finally {
    if (domain) Reflect.set(process, 'domain', domain)
  }
}

/** The counts are added, not set: `run` may call hooks, which may switch others on or off. */
function atRootUnseen<T>(run: () => T): T {
  const befores = hooks[BEFORE]
  let afters = 0
  hooks[BEFORE] = 0
  try {
    return newRoot().runInAsyncScope(() => {
      hooks[BEFORE] += befores
      try {
        return run()
      } finally {
        afters = hooks[AFTER]
        hooks[AFTER] = 0
      }
    })
  } finally {
    hooks[AFTER] += afters
  }
}

type Callback = (...args: never[]) => unknown

/**
 * Calls the program in the async context of `resource`. What it throws is an uncaughtException while that context is still there, with its stores of
 * AsyncLocalStorage and the domains that were entered, as behind a callback from C++: `runInAsyncScope` by itself ends the context first, and with it
 * the domain. Returns undefined then.
 */
export function callProgram(resource: AsyncResource, callback: Callback, receiver: unknown, ...args: readonly unknown[]): unknown {
  return resource.runInAsyncScope(callInScope, receiver, callback, args)
}

function callInScope(this: unknown, callback: Callback, args: readonly unknown[]): unknown {
  try {
    return Reflect.apply(callback, this, args)
  } catch (error) {
    raiseUncaught(error)
    return undefined
  }
}

type Reader = (this: unknown, bytes: ArrayBuffer | undefined) => unknown

/** The same for what is called with each packet: without an array of arguments, and at a place of its own, where V8 sees one function and can inline it. */
export function callReader(resource: AsyncResource, callback: Reader, receiver: unknown, bytes: ArrayBuffer | undefined): unknown {
  return resource.runInAsyncScope(readInScope, receiver, callback, bytes)
}

function readInScope(this: unknown, callback: Reader, bytes: ArrayBuffer | undefined): unknown {
  try {
    return callback.call(this, bytes)
  } catch (error) {
    raiseUncaught(error)
    return undefined
  }
}
