/** Network interfaces. */
import { addon } from './addon.js'

export interface InterfaceInfo {
  readonly index: number
  /** Six bytes. */
  readonly mac: Uint8Array
  /** Bytes of an IP packet. */
  readonly mtu: number
  readonly up: boolean
}

/** What the kernel knows of an interface of this network namespace. Throws ENODEV if there is none of that name. */
export function interfaceInfo(name: string): InterfaceInfo {
  return addon().interfaceInfo(name)
}
