/** SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash for short inputs. 64-bit values are pairs of words. */

/** State v0 to v3, low word first. */
type State = Int32Array

function addTo(v: State, a: number, b: number): void {
  const low = (v[a] >>> 0) + (v[b] >>> 0)
  v[a + 1] = v[a + 1] + v[b + 1] + (low > 0xffffffff ? 1 : 0)
  v[a] = low
}

/** v[a] = rotate-left(v[a], bits) ^ v[b]. */
function rotateXor(v: State, a: number, bits: number, b: number): void {
  const low = v[a]
  const high = v[a + 1]
  v[a] = ((low << bits) | (high >>> (32 - bits))) ^ v[b]
  v[a + 1] = ((high << bits) | (low >>> (32 - bits))) ^ v[b + 1]
}

function rotate32(v: State, a: number): void {
  const low = v[a]
  v[a] = v[a + 1]
  v[a + 1] = low
}

function round(v: State): void {
  addTo(v, 0, 2)
  rotateXor(v, 2, 13, 0)
  rotate32(v, 0)
  addTo(v, 4, 6)
  rotateXor(v, 6, 16, 4)
  addTo(v, 0, 6)
  rotateXor(v, 6, 21, 0)
  addTo(v, 4, 2)
  rotateXor(v, 2, 17, 4)
  rotate32(v, 4)
}

function readLow(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
}

/** One state serves all: a typed array of its own for each hash costs more than the hash. */
const state: State = new Int32Array(8)

const INITIAL = [0x70736575, 0x736f6d65, 0x6e646f6d, 0x646f7261, 0x6e657261, 0x6c796765, 0x79746573, 0x74656462] as const

function begin(v: State, key: Uint8Array): void {
  for (let i = 0; i < 8; i++) v[i] = readLow(key, (i & 3) * 4) ^ INITIAL[i]
}

/** Word `at` of the message's last block: bytes that are left, zeros, the length. */
function readLast(message: Uint8Array, at: number): number {
  let word = 0
  for (let i = 0; i < 4; i++) if (at + i < message.length) word |= message[at + i] << (8 * i)
  return word
}

function absorb(v: State, low: number, high: number): void {
  v[6] ^= low
  v[7] ^= high
  round(v)
  round(v)
  v[0] ^= low
  v[1] ^= high
}

/** Hash of `message` under the 16-byte `key`: low and high word, signed. */
export function siphash(key: Uint8Array, message: Uint8Array): readonly [low: number, high: number] {
  const v = state
  begin(v, key)
  const lastAt = message.length & ~7
  for (let at = 0; at < lastAt; at += 8) absorb(v, readLow(message, at), readLow(message, at + 4))
  absorb(v, readLast(message, lastAt), readLast(message, lastAt + 4) | (message.length << 24))
  v[4] ^= 0xff
  for (let i = 0; i < 4; i++) round(v)
  return [v[0] ^ v[2] ^ v[4] ^ v[6], v[1] ^ v[3] ^ v[5] ^ v[7]]
}
