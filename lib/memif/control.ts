/**
 * Control messages over unix sockets of type SOCK_SEQPACKET: one JSON text each, descriptors beside it.
 *
 *   application -> tas   { op: 'hello', version, name }
 *   tas -> application   { op: 'welcome', version, app, regionBytes, workers }   [region, doorbell page (read-only),
 *                                                                                 slow path's eventfd, each worker's eventfd]
 *   application -> tas   { op: 'context' }
 *   tas -> application   { op: 'context', context }                              [the context's eventfd, its life descriptor]
 *   anybody -> tas       { op: 'networks' }                                      what can be reached; no hello needed
 *   tas -> anybody       { op: 'networks', addresses, routes }                   as --ip-addr and --ip-route say
 *   anybody -> tas       { op: 'state', part, first }                            the next page of a part; `first`: from the beginning
 *   tas -> anybody       { op: 'state', part, rows, more }                       for the user of tas and for root; no hello needed
 *   anybody -> tas       { op: 'flow', ... }                                     names one flow (statepages.ts)
 *   tas -> anybody       { op: 'flow', detail }                                  everything about it, null if there is none; rights as for state
 *   anybody -> tas       { op: 'trace', kinds }                                  trace these kinds (trace.ts) until the socket closes
 *   tas -> anybody       { op: 'trace', lenBytes }                               [trace region (read-only)]; rights as for state
 *   anybody -> tas       { op: 'scale', workers? }                               use so many workers, 0: by load; left out: change nothing
 *   tas -> anybody       { op: 'scale', auto, active, workers }                  rights as for state
 *   tas -> application   { op: 'error', code, message }                          then it closes the socket
 *
 *   tas -> worker        { op: 'app', app, regionBytes }                         [region]
 *   tas -> worker        { op: 'context', app, context }                         [the context's eventfd]
 *
 * A worker is told by TO_FAST_APP_ADD or TO_FAST_CONTEXT_ADD in its ring that a message waits.
 * The end of the application's socket is the end of the application, that of a life descriptor (no other holder, nothing written to it) the end
 * of its context, whose id is given to another when all workers have let go. A request for a context is answered when there is an id, if one is
 * about to be free, and not before others that came within a second (service/control/).
 */

import type { FlowDetail, FlowQuery, StatePart, StateRows } from './statepages.js'

/** Longest page of the state, and longest list of networks, in bytes; only who asks for them need have room for it. */
export const CONTROL_PAGE_MAX = 1 << 16
/** Longest control message in bytes. */
export const CONTROL_MESSAGE_MAX = 1024
/** Most descriptors in a control message. */
export const CONTROL_FDS_MAX = 32
/** Where TAS listens unless --socket or TAS_SOCKET say otherwise. */
export const DEFAULT_SOCKET = '/run/tas.sock'

export interface HelloMessage { readonly op: 'hello'; readonly version: number; readonly name: string }
export interface WelcomeMessage {
  readonly op: 'welcome'
  readonly version: number
  readonly app: number
  readonly regionBytes: number
  readonly workers: number
}
export interface ContextRequest { readonly op: 'context' }
export interface ContextGrant { readonly op: 'context'; readonly context: number }
export interface ErrorMessage { readonly op: 'error'; readonly code: string; readonly message: string }
export interface StateRequest { readonly op: 'state'; readonly part: StatePart; readonly first: boolean }
export interface StatePage {
  readonly op: 'state'
  readonly part: StatePart
  readonly rows: readonly StateRows[StatePart][]
  /** There may be another page. */
  readonly more: boolean
}
export type FlowRequest = { readonly op: 'flow' } & FlowQuery
export interface FlowAnswer { readonly op: 'flow'; readonly detail: FlowDetail | null }
export interface TraceRequest { readonly op: 'trace'; readonly kinds: number }
export interface TraceGrant { readonly op: 'trace'; readonly lenBytes: number }
/** `workers`: as many are used from now on, 0 leaves it to the load; without it nothing changes. */
export interface ScaleRequest { readonly op: 'scale'; readonly workers?: number }
export interface ScaleMessage {
  readonly op: 'scale'
  /** The number follows the load. */
  readonly auto: boolean
  /** Workers in use: those with numbers below it. */
  readonly active: number
  /** Of each worker: groups of flows that are steered to it, flows that it has, and the share of its time that it was busy lately, 0 to 1. */
  readonly workers: readonly { readonly groups: number; readonly flows: number; readonly load: number }[]
}
export interface NetworksRequest { readonly op: 'networks' }
export interface NetworksMessage {
  readonly op: 'networks'
  /** TAS's own addresses, each with the length of its on-link prefix: '10.0.0.1/24'. */
  readonly addresses: readonly string[]
  /** Destinations of its routes: '0.0.0.0/0'. */
  readonly routes: readonly string[]
}
export interface WorkerAppMessage { readonly op: 'app'; readonly app: number; readonly regionBytes: number }
export interface WorkerContextMessage { readonly op: 'context'; readonly app: number; readonly context: number }

export type AppToTas = HelloMessage | ContextRequest | StateRequest | FlowRequest | TraceRequest | NetworksRequest | ScaleRequest
export type TasToApp = WelcomeMessage | ContextGrant | TraceGrant | ErrorMessage
export type TasToWorker = WorkerAppMessage | WorkerContextMessage

/** Encodes a control message. Throws RangeError if it is longer than CONTROL_MESSAGE_MAX. */
export function encodeControl(message: AppToTas | TasToApp | TasToWorker): Uint8Array {
  const bytes = new TextEncoder().encode(JSON.stringify(message))
  if (bytes.length > CONTROL_MESSAGE_MAX) throw new RangeError(`control message of ${bytes.length} bytes`)
  return bytes
}

/** Encodes a page of the state, a flow, the networks or the workers. Throws RangeError if it is longer than CONTROL_PAGE_MAX. */
export function encodePage(page: StatePage | FlowAnswer | NetworksMessage | ScaleMessage): Uint8Array {
  const bytes = new TextEncoder().encode(JSON.stringify(page))
  if (bytes.length > CONTROL_PAGE_MAX) throw new RangeError(`page of ${bytes.length} bytes`)
  return bytes
}

/** Decodes a control message to an object of unknown fields, or null if it is not one. The sender is not trusted. */
export function decodeControl(bytes: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
  } catch {
    return null
  }
}
