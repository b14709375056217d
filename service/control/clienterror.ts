/** A client's mistake: told to it over the control socket, which is then closed. */
export class ClientError extends Error {
  /** As in `{ op: 'error' }` (lib/memif/control.ts). */
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}
