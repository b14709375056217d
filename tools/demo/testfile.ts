/** A file of random bytes whose SHA-256 is known. */
import { createHash, randomFillSync } from 'node:crypto'
import { open } from 'node:fs/promises'

const BLOCK_BYTES = 1 << 20

export interface TestFile {
  readonly path: string
  readonly lenBytes: number
  /** In hexadecimal. */
  readonly sha256: string
}

/** Writes `mebibytes` MiB of random bytes to `path`. */
export async function writeTestFile(path: string, mebibytes: number): Promise<TestFile> {
  const hash = createHash('sha256')
  const block = Buffer.alloc(BLOCK_BYTES)
  const file = await open(path, 'w')
  try {
    for (let i = 0; i < mebibytes; i++) {
      randomFillSync(block)
      hash.update(block)
      await file.write(block)
    }
  } finally {
    await file.close()
  }
  return { path, lenBytes: mebibytes * BLOCK_BYTES, sha256: hash.digest('hex') }
}
