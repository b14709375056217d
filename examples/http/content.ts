/** What the HTTP server serves: a page, /bytes/N, a file. */
import { createHash } from 'node:crypto'
import { fstatSync, openSync, readSync } from 'node:fs'

/** A body that is written straight into the transmit buffer. */
export interface Content {
  readonly type: string
  readonly lenBytes: number
  readonly sha256: string
  /** Fills `target` from `at` with `len` bytes of the content from `position`. */
  fill(target: Uint8Array, at: number, len: number, position: number): void
}

/** A prime, so that lost or repeated blocks of any usual size change what follows. */
const PATTERN_BYTES = 1_048_573
const PIECE_BYTES = 1 << 20

const pattern = makePattern()

function makePattern(): Uint8Array {
  const bytes = new Uint8Array(PATTERN_BYTES)
  let state = 0x2545f491
  for (let i = 0; i < bytes.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state
  }
  return bytes
}

/** A text in memory. */
export function textContent(type: string, text: string): Content {
  const bytes = Buffer.from(text)
  return {
    type,
    lenBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    fill: (target, at, len, position) => target.set(bytes.subarray(position, position + len), at),
  }
}

/** `lenBytes` bytes that look random and are always the same. */
export async function patternContent(lenBytes: number): Promise<Content> {
  return hashed('application/octet-stream', lenBytes, fillPattern)
}

/** A file; it must not change while it is served. Throws if it cannot be read. */
export async function fileContent(path: string): Promise<Content> {
  const fd = openSync(path, 'r')
  const fill: Content['fill'] = (target, at, len, position) => {
    for (let done = 0; done < len;) {
      const got = readSync(fd, target, at + done, len - done, position + done)
      if (got === 0) throw new Error(`${path} has become shorter`)
      done += got
    }
  }
  return hashed('application/octet-stream', fstatSync(fd).size, fill)
}

function fillPattern(target: Uint8Array, at: number, len: number, position: number): void {
  for (let done = 0; done < len;) {
    const from = (position + done) % PATTERN_BYTES
    const part = Math.min(len - done, PATTERN_BYTES - from)
    target.set(pattern.subarray(from, from + part), at + done)
    done += part
  }
}

/** Computes the hash piece by piece, so that other connections are served meanwhile. */
async function hashed(type: string, lenBytes: number, fill: Content['fill']): Promise<Content> {
  const hash = createHash('sha256')
  const piece = new Uint8Array(Math.min(lenBytes, PIECE_BYTES))
  for (let position = 0; position < lenBytes; position += PIECE_BYTES) {
    const len = Math.min(PIECE_BYTES, lenBytes - position)
    fill(piece, 0, len, position)
    hash.update(piece.subarray(0, len))
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { type, lenBytes, sha256: hash.digest('hex'), fill }
}
