/** What test and peer agent say to each other: one call, one answer. */

/** Calls that the agent understands, by name: parameters and result. */
export interface PeerCalls {
  /** Listens on a port, 0 for any. */
  listen(port: number): number
  /** Waits for a connection to a port that `listen` returned. */
  accept(port: number): number
  connect(address: string, port: number): number
  /** Resolves when the kernel has taken the bytes. */
  write(socket: number, bytes: Uint8Array): void
  /** Waits for exactly `len` bytes. Without a call nothing is read: the kernel's buffer fills up. */
  read(socket: number, len: number): Uint8Array
  /** Sends `len` bytes that follow from `seed`; returns their SHA-256. */
  sendRandom(socket: number, len: number, seed: number): string
  /** Reads `len` bytes; returns their SHA-256. */
  readHash(socket: number, len: number): string
  /** Sends a FIN. */
  end(socket: number): void
  /** Sends a RST. */
  reset(socket: number): void
  /** Waits for the peer's FIN. */
  ended(socket: number): void
  /** Waits until the connection is gone; returns the error code that ended it, or ''. */
  closed(socket: number): string
  /** Answers UDP datagrams with what they hold; returns the port. */
  udpEcho(): number
  /** Sends a datagram and waits for the answer. */
  udpExchange(address: string, port: number, bytes: Uint8Array): Uint8Array
  /** Bytes that the kernel has not taken yet. */
  unsent(socket: number): number
}

export type PeerOp = keyof PeerCalls

export interface PeerRequest { readonly id: number; readonly op: PeerOp; readonly args: readonly unknown[] }
export interface PeerAnswer { readonly id: number; readonly value?: unknown; readonly code?: string; readonly message?: string }
