/**
 * A body in chunks (RFC 9112, 7.1):
 *
 *   size [; extension] CRLF  bytes CRLF ... 0 CRLF  [trailer CRLF]... CRLF
 */
import { HttpError } from './head.js'

const LINE_MAX = 4_096
const NOTHING = new Uint8Array(0)

export class ChunkReader {
  private phase: 'size' | 'data' | 'end of data' | 'trailer' | 'done' = 'size'
  private line = ''
  private left = 0

  /** Whether the last chunk and what follows it have been taken. */
  get done(): boolean {
    return this.phase === 'done'
  }

  /**
   * Takes bytes, which may arrive in any pieces, up to the end of a line or of a chunk. Returns how many it took, and those
   * of them that belong to the body. Throws HttpError 400 for what is not chunked.
   */
  take(bytes: Uint8Array): { taken: number; body: Uint8Array } {
    if (this.done) return { taken: 0, body: NOTHING }
    if (this.phase !== 'data') return { taken: this.takeLine(bytes), body: NOTHING }
    const body = bytes.subarray(0, this.left)
    this.left -= body.length
    if (this.left === 0) this.phase = 'end of data'
    return { taken: body.length, body }
  }

  private takeLine(bytes: Uint8Array): number {
    const feed = bytes.indexOf(0x0a)
    const taken = feed < 0 ? bytes.length : feed + 1
    if (this.line.length + taken > LINE_MAX) throw new HttpError(400, 'a line of the chunked body is too long')
    this.line += Buffer.from(bytes.subarray(0, taken)).toString('latin1')
    if (feed < 0) return taken
    if (!this.line.endsWith('\r\n')) throw new HttpError(400, 'a line of the chunked body ends without CR')
    this.endLine(this.line.slice(0, -2))
    this.line = ''
    return taken
  }

  private endLine(line: string): void {
    switch (this.phase) {
      case 'size':
        this.left = chunkSize(line)
        this.phase = this.left > 0 ? 'data' : 'trailer'
        return
      case 'end of data':
        if (line !== '') throw new HttpError(400, 'a chunk is longer than its size')
        this.phase = 'size'
        return
      default:
        if (line === '') this.phase = 'done'
    }
  }
}

function chunkSize(line: string): number {
  const digits = /^([0-9a-f]{1,13})[ \t]*(?:;.*)?$/i.exec(line)?.[1]
  if (digits === undefined) throw new HttpError(400, `chunk size ${JSON.stringify(line.slice(0, 40))}`)
  return Number.parseInt(digits, 16)
}
