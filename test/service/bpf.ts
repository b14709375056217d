/** A classic BPF machine, as far as the steering program needs one (Linux, Documentation/networking/filter.rst). */

/** Where the kernel shows the EtherType: SKF_AD_OFF + SKF_AD_PROTOCOL. */
const EXTRA_PROTOCOL = 0xfffff000

/** Runs `program` over the packet that begins at its IP header. Returns the result; a load beyond the packet's end is 0. */
export function runBpf(program: Uint8Array, packet: Uint8Array, etherType: number): number {
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength)
  const data = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  const memory = new Uint32Array(16)
  let a = 0
  let x = 0
  const load = (at: number, size: number): number => (size === 4 ? data.getUint32(at) : size === 2 ? data.getUint16(at) : data.getUint8(at))
  for (let pc = 0; ; pc++) {
    const op = code.getUint16(pc * 8, true)
    const [jt, jf, k] = [code.getUint8(pc * 8 + 2), code.getUint8(pc * 8 + 3), code.getUint32(pc * 8 + 4, true)]
    const size = [4, 2, 1][(op >> 3) & 3]
    const at = (op & 0xe7) === 0x40 ? x + k : k
    switch (op & 0xe7) {
      case 0x20: case 0x40:
        if (at === EXTRA_PROTOCOL) a = etherType
        else if (at + size > packet.length) return 0
        else a = load(at, size)
        continue
      default:
    }
    if (op === 0xb1) {
      if (k >= packet.length) return 0
      x = (packet[k] & 0xf) * 4
    } else if (op === 0x60) a = memory[k]
    else if (op === 0x61) x = memory[k]
    else if (op === 0x02) memory[k] = a
    else if (op === 0xac) a = (a ^ x) >>> 0
    else if (op === 0x24) a = Math.imul(a, k) >>> 0
    else if (op === 0x64) a = (a << k) >>> 0
    else if (op === 0x74) a >>>= k
    else if (op === 0x15) pc += a === k ? jt : jf
    else if (op === 0x35) pc += a >= k ? jt : jf
    else if (op === 0x45) pc += (a & k) !== 0 ? jt : jf
    else if (op === 0x06) return k
    else throw new Error(`no instruction ${op.toString(16)} at ${pc}`)
  }
}
