/** What is written to a connection: its sender's number, then bytes that follow from number and place, so that a reader knows whose they are. */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pattern } from '../../sim/seeds/pattern.js'

/** Bytes of the number in front. */
export const HEAD_BYTES = 4

/** `len` bytes of the stream of sender `id` from place `at` on. */
export function streamBytes(id: number, at: number, len: number): Uint8Array {
  const bytes = new Uint8Array(len)
  const pattern = new Pattern(id)
  let done = 0
  for (; at + done < HEAD_BYTES && done < len; done++) bytes[done] = (id >>> (8 * (at + done))) & 0xff
  while (done < len) {
    const part = pattern.bytes(at + done, len - done)
    bytes.set(part, done)
    done += part.length
  }
  return bytes
}

/** The number in the first HEAD_BYTES of a stream. */
export function senderOf(head: Uint8Array): number {
  return new DataView(head.buffer, head.byteOffset).getUint32(0, true)
}

/** A file with stretches of streams, for sendfile. */
export class StreamFile {
  readonly fd: number
  private readonly folder = mkdtempSync(join(tmpdir(), 'tas-churn-'))

  constructor() {
    this.fd = openSync(join(this.folder, 'bytes'), 'w+')
  }

  /** Makes `bytes` its content; its own position is its start. */
  fill(bytes: Uint8Array): void {
    writeFileSync(join(this.folder, 'bytes'), bytes)
  }

  close(): void {
    closeSync(this.fd)
    rmSync(this.folder, { recursive: true })
  }
}
