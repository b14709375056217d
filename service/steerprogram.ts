/**
 * The program by which the kernel chooses a worker for each received packet: classic BPF that computes the packet's group of flows
 * (lib/memif/flowgroups.ts) and looks the group's worker up in a tree of comparisons, into which the table is compiled.
 *
 *   not IPv4, not TCP, a fragment -> worker 0
 *   A = (source ^ target ^ (ports ^ ports >> 16) << 16) * factor >> 25
 *   binary search: at most seven jumps, fewer where neighbouring groups have the same worker
 *
 * At fanout time the packet begins with the IP header, and a VLAN tag has been taken off. A load beyond its end ends the program with 0.
 */
import { FLOW_GROUP_FACTOR, FLOW_GROUP_SHIFT, FLOW_GROUPS } from '../lib/memif/index.js'

// linux/bpf_common.h and linux/filter.h.
const LD_W_ABS = 0x20
const LD_H_ABS = 0x28
const LD_B_ABS = 0x30
const LD_W_IND = 0x40
const LDX_IP_LEN = 0xb1
const LD_MEM = 0x60
const ST = 0x02
const LDX_MEM = 0x61
const XOR_X = 0xac
const MUL_K = 0x24
const LSH_K = 0x64
const RSH_K = 0x74
const JEQ_K = 0x15
const JGE_K = 0x35
const JSET_K = 0x45
const RET_K = 0x06
/** SKF_AD_OFF + SKF_AD_PROTOCOL: the EtherType. */
const EXTRA_PROTOCOL = 0xfffff000

const ETHERTYPE_IPV4 = 0x0800
const TCP = 6
const FRAGMENT_BITS = 0x3fff
const PROTOCOL_AT = 9
const FRAGMENT_AT = 6
const SOURCE_AT = 12
const TARGET_AT = 16

const INSTRUCTION_BYTES = 8

interface Instruction {
  readonly code: number
  readonly k: number
  readonly jt: number
  readonly jf: number
}

function op(code: number, k = 0, jt = 0, jf = 0): Instruction {
  return { code, k, jt, jf }
}

/** The group in A; what has none goes to worker 0. */
const GROUP: readonly Instruction[] = [
  op(LD_W_ABS, EXTRA_PROTOCOL), op(JEQ_K, ETHERTYPE_IPV4, 1, 0), op(RET_K, 0),
  op(LD_B_ABS, PROTOCOL_AT), op(JEQ_K, TCP, 1, 0), op(RET_K, 0),
  op(LD_H_ABS, FRAGMENT_AT), op(JSET_K, FRAGMENT_BITS, 0, 1), op(RET_K, 0),
  op(LD_W_ABS, SOURCE_AT), op(ST, 0), op(LD_W_ABS, TARGET_AT), op(LDX_MEM, 0), op(XOR_X), op(ST, 0),
  op(LDX_IP_LEN, 0), op(LD_W_IND, 0), op(ST, 1), op(LSH_K, 16), op(ST, 2),
  op(LD_MEM, 1), op(RSH_K, 16), op(LSH_K, 16), op(LDX_MEM, 2), op(XOR_X), op(LDX_MEM, 0), op(XOR_X),
  op(MUL_K, FLOW_GROUP_FACTOR), op(RSH_K, FLOW_GROUP_SHIFT),
]

/** Compiles the search for the workers of groups `first` to `end` - 1. */
function search(table: Uint8Array, first: number, end: number): Instruction[] {
  const worker = table[first]
  let same = first
  while (same < end && table[same] === worker) same++
  if (same === end) return [op(RET_K, worker)]
  const middle = (first + end) >> 1
  const low = search(table, first, middle)
  // A conditional jump reaches 255 instructions; the lower half is never longer than that.
  return [op(JGE_K, middle, low.length, 0), ...low, ...search(table, middle, end)]
}

/** The program for a table of FLOW_GROUPS workers, as the kernel takes it: instructions of 8 bytes. */
export function steerProgram(table: Uint8Array): Uint8Array {
  if (table.length !== FLOW_GROUPS) throw new RangeError(`table of ${table.length} groups: ${FLOW_GROUPS} are needed`)
  const instructions = [...GROUP, ...search(table, 0, FLOW_GROUPS)]
  const bytes = new Uint8Array(instructions.length * INSTRUCTION_BYTES)
  const view = new DataView(bytes.buffer)
  instructions.forEach(({ code, k, jt, jf }, index) => {
    const at = index * INSTRUCTION_BYTES
    view.setUint16(at, code, true)
    view.setUint8(at + 2, jt)
    view.setUint8(at + 3, jf)
    view.setUint32(at + 4, k >>> 0, true)
  })
  return bytes
}
