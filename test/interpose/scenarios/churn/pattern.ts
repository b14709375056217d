/** What is sent on a connection: each place of it is known to both ends. */

/** Prime, so that no size of buffers, segments or records is a multiple. */
const PERIOD = 251
const LAPS = 1_024
const pattern = Buffer.from(Array.from({ length: PERIOD * LAPS }, (_, i) => i % PERIOD))

/** `len` bytes of stream `stream` from `position` on; at most 256,000. */
export function sentAt(stream: number, position: number, len: number): Buffer {
  const from = (stream + position) % PERIOD
  return pattern.subarray(from, from + len)
}

/** Whether `bytes` are those of the stream at `position`. */
export function isSentAt(stream: number, position: number, bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += PERIOD * (LAPS - 1)) {
    const part = bytes.subarray(at, at + PERIOD * (LAPS - 1))
    if (!part.equals(sentAt(stream, position + at, part.length))) return false
  }
  return true
}
