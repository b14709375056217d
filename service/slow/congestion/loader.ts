/** A user's congestion control (--cc=./mine.js): loaded once at start, and looked at before it gets a flow. */
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Algorithm, FlowControl } from './algorithm.js'
import { checkFlow, checkNumber, messageOf } from './guard.js'
import { FlowView } from './state.js'

/** Why a module cannot be used, and what would be right. */
export class ModuleError extends Error {}

const LOOKS = ['limited', 'interval']
const OPTIONAL_METHODS = ['onTimeout', 'onUndo', 'onEcho', 'onIdle'] as const

/**
 * Loads the module at `path` (relative to the working directory) and tries its algorithm on a flow that does not exist. Its default export,
 * or else the module itself, is to be an Algorithm. Throws ModuleError.
 */
export async function loadAlgorithm(path: string): Promise<Algorithm> {
  return checked(await importModule(path))
}

/** The same at once, where nothing can be waited for: the module must have no top-level await. Throws ModuleError. */
export function requireAlgorithm(path: string): Algorithm {
  return checked(requireModule(path))
}

function checked(module: object): Algorithm {
  const algorithm = algorithmFrom(module)
  tryOut(algorithm)
  return algorithm
}

async function importModule(path: string): Promise<object> {
  try {
    return await import(pathToFileURL(resolve(path)).href) as object
  } catch (error) {
    throw new ModuleError(`cannot be loaded: ${messageOf(error)}`)
  }
}

function requireModule(path: string): object {
  const absolute = resolve(path)
  let module: unknown
  try {
    module = createRequire(absolute)(absolute)
  } catch (error) {
    throw new ModuleError(`cannot be loaded: ${messageOf(error)}`)
  }
  if (typeof module !== 'object' || module === null) throw new ModuleError('exports no object; want { name, looks, create }')
  return module
}

function algorithmFrom(module: object): Algorithm {
  const candidate: unknown = 'default' in module ? module.default : module
  if (typeof candidate !== 'object' || candidate === null) throw new ModuleError('exports no algorithm; want { name, looks, create }')
  const { name, looks, create, usesMarks } = candidate as Partial<Record<keyof Algorithm, unknown>>
  if (typeof name !== 'string' || name === '') throw new ModuleError('has no name; want a string')
  if (typeof looks !== 'string' || !LOOKS.includes(looks)) {
    throw new ModuleError(`looks is ${String(looks)}; want one of ${LOOKS.join(', ')}`)
  }
  if (usesMarks !== undefined && typeof usesMarks !== 'boolean') {
    throw new ModuleError(`usesMarks is ${String(usesMarks)}; want true or false`)
  }
  if (typeof create !== 'function') throw new ModuleError('has no create; want a function that returns { update, onLoss }')
  return candidate as Algorithm
}

/** A flow in the middle of its life: some round trips old, held back, something acknowledged. */
function exampleFlow(): FlowView {
  return Object.assign(new FlowView(), {
    nowUs: 1_000_000, mss: 1448, rttUs: 100, minRttUs: 80, inFlightBytes: 14_480, intervalUs: 200, ackedBytes: 14_480, totalAckedBytes: 144_800,
    isLimited: true, cwndBytes: 14_480,
  })
}

function tryOut(algorithm: Algorithm): void {
  try {
    const control = algorithm.create(exampleFlow())
    checkMethods(control)
    const flow = exampleFlow()
    control.update(flow)
    checkNumber('what onLoss returns', control.onLoss(flow))
    checkFlow(flow)
  } catch (error) {
    if (error instanceof ModuleError) throw error
    throw new ModuleError(`fails when it is tried: ${messageOf(error)}`)
  }
}

function checkMethods(control: unknown): void {
  if (typeof control !== 'object' || control === null) throw new ModuleError('create returns no object; want { update, onLoss }')
  const methods = control as Partial<Record<keyof FlowControl, unknown>>
  for (const name of ['update', 'onLoss'] as const) {
    if (typeof methods[name] !== 'function') throw new ModuleError(`what create returns has no ${name}; want a function`)
  }
  for (const name of OPTIONAL_METHODS) {
    const isGood = methods[name] === undefined || typeof methods[name] === 'function'
    if (!isGood) throw new ModuleError(`${name} is no function`)
  }
}
