/**
 * What the interposers of two processes tell each other over the channel of `process.send`. Node keeps messages whose `cmd` begins with
 * NODE_ from the program (isInternal of lib/internal/child_process.js), and ignores those that it does not know: a process that is not
 * interposed sees nothing of them.
 */
import { serialize } from 'node:v8'
import type { Names } from './handle/named.js'
import type { ListenPlace } from './handle/listener.js'

const COMMAND = 'NODE_TASJS'

/** The handle of the message behind it stands for a connection of TAS. */
export interface ConnectionNote {
  readonly kind: 'connection'
  readonly names: Names
}

/** The handle of the message behind it stands for a listener of TAS. */
export interface ListenerNote {
  readonly kind: 'listener'
  readonly place: ListenPlace
  readonly isPlaceholder: boolean
}

/** A worker of a cluster listens on TAS. */
export interface ListensNote {
  readonly kind: 'listens'
  readonly address: string
  readonly port: number
}

export type Note = ConnectionNote | ListenerNote | ListensNote

/** The message that carries `note`. */
export function messageOf(note: Note): Record<string, unknown> {
  return { cmd: COMMAND, ...note }
}

/** The note in `message`, or null. It comes from a process that this one has started, or that has started it. */
export function noteOf(message: unknown): Note | null {
  const isNote = typeof message === 'object' && message !== null && 'cmd' in message && message.cmd === COMMAND
  return isNote ? message as unknown as Note : null
}

/** Whether a handle belongs to `message`. */
export function hasHandle(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'cmd' in message && message.cmd === 'NODE_HANDLE'
}

/** `written`, as Node writes a message to a channel, with `note` before it: JSON and a line feed, or with 'advanced' length and value. */
export function withNote(note: Note, written: unknown): string | Buffer {
  const message = messageOf(note)
  if (typeof written === 'string') return `${JSON.stringify(message)}\n${written}`
  const value = serialize(message)
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32BE(value.length)
  return Buffer.concat([length, value, written as Uint8Array])
}
