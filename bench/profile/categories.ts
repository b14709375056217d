/** What a sample's time was spent on: one of a few categories, by the names on its stack. */
import type { Source, Sources } from './sources.js'
import type { Frame, Stack } from './stacks.js'

/** Categories in the order of table and plot, with their titles. */
export const CATEGORIES = {
  fast: 'fast path (JavaScript)',
  slow: 'slow path (JavaScript)',
  library: 'library (JavaScript)',
  application: 'application',
  addon: 'native addon, and what it calls',
  runtime: 'Node, V8, libuv, libc',
  compiling: 'V8 compiling',
  garbage: 'garbage collection',
  syscall: 'kernel: system calls, entry and exit',
  waiting: 'kernel: waiting, waking, scheduling',
  packetIn: 'kernel: packet socket, frames in',
  packetOut: 'kernel: packet socket, frames out',
  tcp: 'kernel: TCP, IP, sockets',
  link: 'kernel: link, while we send',
  peer: 'kernel: TCP of the peer, while we send',
  kernel: 'kernel: interrupts, memory, the rest',
  unknown: 'without a name',
} as const
export type Category = keyof typeof CATEGORIES
export const CATEGORY_NAMES = Object.keys(CATEGORIES) as readonly Category[]

/** What the process is that a sample was taken of; `plain` has no TAS in it. */
export type Role = 'worker' | 'slow' | 'application' | 'embedded' | 'plain'

interface Rule {
  readonly category: Category
  /** Of a function anywhere on the kernel's part of the stack. */
  readonly name: RegExp
}

/**
 * The first that fits decides. A veth link hands frames to a softirq of the CPU that sends, which runs before the system call returns: the receiver's
 * work, be it a packet socket or TCP, stands on the sender's stack, and is found before what the sender does itself.
 */
const KERNEL_RULES: readonly Rule[] = [
  { category: 'packetIn', name: /^t?packet_rcv/ },
  { category: 'peer', name: /^(ip_rcv|ip_sublist_rcv|ip_local_deliver|ip_protocol_deliver_rcu|tcp_v4_rcv)/ },
  { category: 'link', name: /^(net_rx_action|process_backlog|__napi_poll|veth_xmit|dev_hard_start_xmit|__dev_queue_xmit|__dev_direct_xmit)$/ },
  { category: 'kernel', name: /^(asm_)?(sysvec_|exc_|common_interrupt)|^irq_exit|^handle_softirqs$/ },
  { category: 'packetOut', name: /^t?packet_(sendmsg|snd|parse_headers)/ },
  {
    category: 'waiting',
    name: /^(__)?schedule(_|$)|^try_to_wake_up$|^do_(epoll|sys_poll|futex)|^ep_|eventfd_|timerfd_|^futex_|sched_yield$|^exit_to_user_mode_loop$/,
  },
  { category: 'tcp', name: /^(__)?(tcp|ip|inet|sock|sk|skb)_|^unix_|^____?sys_(sendmsg|recvmsg)$/ },
  { category: 'kernel', name: /^(__)?(do_)?(vm_)?(mmap|munmap|mprotect|madvise|fallocate)|^__x64_sys_(mmap|munmap|madvise|fallocate)$/ },
  { category: 'syscall', name: /^(entry_SYSCALL|do_syscall_64|el0_svc|el0t_64_sync|ret_from_fork)/ },
]

/** Classes of V8. */
const GARBAGE = new RegExp('^v8::internal::(Scaveng|MarkCompact|MinorMarkCompact|MainMarkingVisitor|MarkingVisitor|ConcurrentMarking|'
  + 'IncrementalMarking|Sweeper|Evacuator|FullEvacuator|ArrayBufferSweeper|Heap::(CollectGarbage|PerformGarbageCollection|Scavenge|MarkCompact))')
const COMPILING = new RegExp('^v8::internal::((compiler|baseline|interpreter|parsing|maglev)::|'
  + 'OptimizingCompileDispatcher|OptimizedCompilationJob|Compiler::)')
/** V8's own pieces of machine code that run on behalf of a function of JavaScript. */
const BUILTIN = /^(Builtins_|Builtin:|BytecodeHandler:|Stub:)/
/** How JavaScript calls native code, and what that calls in Node. */
const NATIVE_CALL = /^(Builtins_CallApiCallback$|napi_|v8impl::|node_napi_env)/
/** Node's own native code: what JavaScript calls there without the addon. */
const NODE_NATIVE = /^(non-virtual thunk to )?node::/
/** In a process with TAS who calls them without a name on the stack is the addon, which is compiled without frame pointers. */
const LIBRARY_FILE = /\/(lib(c|m|pthread|stdc\+\+|gcc_s|dl)[.-][^/]*|ld-[^/]*)$|^\[vdso\]$/
/** Memory of libc's: on the way of a packet the addon takes none. */
const ALLOCATOR = /^(_int_(malloc|free|realloc)|(__libc_)?(malloc|calloc|realloc|c?free)(@.*)?|malloc_consolidate|unlink_chunk.*)$/
const NODE_FILE = /\/(node|perf-\d+\.map)$/

/** Library and contract are in every process: there they are that process's part. */
function sourceCategory({ file }: Source, role: Role): Category {
  if (file.startsWith('node:')) return 'runtime'
  if (file.startsWith('service/fast')) return 'fast'
  if (file.startsWith('service/')) return 'slow'
  if (!/^(lib|native)\//.test(file)) return 'application'
  return role === 'worker' ? 'fast' : role === 'slow' ? 'slow' : 'library'
}

/** Of code of Node, V8 or libc: that of whoever called it, as far as the stack says. */
function runtimeCategory(frames: readonly Frame[], role: Role, sources: Sources): Category {
  const isBuiltin = BUILTIN.test(frames[0].symbol)
  for (const { symbol, dso } of frames) {
    if (dso.endsWith('.node')) return 'addon'
    if (NODE_NATIVE.test(symbol)) return 'runtime'
    if (role !== 'plain' && NATIVE_CALL.test(symbol)) return 'addon'
    const source = sources.of(symbol)
    if (source !== null) return isBuiltin ? sourceCategory(source, role) : 'runtime'
  }
  const isLibrary = LIBRARY_FILE.test(frames[0].dso) && !ALLOCATOR.test(frames[0].symbol)
  const isAddons = role !== 'plain' && isLibrary && !frames.some(({ dso }) => NODE_FILE.test(dso))
  return isAddons ? 'addon' : 'runtime'
}

function userCategory(frames: readonly Frame[], role: Role, sources: Sources): Category {
  const [{ symbol, dso }] = frames
  if (frames.some((frame) => GARBAGE.test(frame.symbol))) return 'garbage'
  if (frames.some((frame) => COMPILING.test(frame.symbol))) return 'compiling'
  const source = sources.of(symbol)
  if (source !== null) return sourceCategory(source, role)
  if (dso.endsWith('.node')) return 'addon'
  if (NODE_FILE.test(dso) || LIBRARY_FILE.test(dso)) return runtimeCategory(frames, role, sources)
  return dso === '[unknown]' ? 'unknown' : 'application'
}

function kernelCategory(frames: readonly Frame[]): Category {
  const rule = KERNEL_RULES.find(({ name }) => frames.some(({ isKernel, symbol }) => isKernel && name.test(symbol)))
  return rule?.category ?? 'kernel'
}

/** The category of a sample of a process in this role. */
export function categoryOf({ frames }: Stack, role: Role, sources: Sources): Category {
  if (frames.length === 0) return 'unknown'
  return frames[0].isKernel ? kernelCategory(frames) : userCategory(frames, role, sources)
}

const OF_KERNEL = ' (kernel)'

/** What a sample's innermost function is called, with where it stands. */
export function functionOf({ frames }: Stack, sources: Sources): string {
  if (frames.length === 0) return CATEGORIES.unknown
  const [{ isKernel, symbol, dso }] = frames
  if (isKernel) return `${symbol}${OF_KERNEL}`
  const source = sources.of(symbol)
  if (source !== null) return `${source.name === '' ? '(module)' : source.name} (${source.file})`
  return `${symbol} (${dso.split('/').at(-1) ?? dso})`
}

/** Whether `functionOf` named a function of the kernel. */
export function isOfKernel(name: string): boolean {
  return name.endsWith(OF_KERNEL)
}
