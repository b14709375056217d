/**
 * What of Node's inside is needed: found and checked once, when this module is loaded. Nothing else in this folder looks for
 * internals by itself. Seen on Node 20, 22 and 24.
 */
import { AsyncResource } from 'node:async_hooks'
import { ChildProcess } from 'node:child_process'
import net from 'node:net'

/** A request object that Node's `net` makes (TCPConnectWrap, WriteWrap, ShutdownWrap): `oncomplete` hears its result. */
export interface Request {
  oncomplete?: (this: Request, ...results: unknown[]) => void
  /** Of a write, from Node 26 on: how it ended before `oncomplete` was there, else null. */
  writeStatus?: number | null
}

/** Where `getsockname` and `getpeername` write. */
export interface SocketName {
  address?: string
  port?: number
  family?: string
}

/** `TCP` of tcp_wrap: a handle of the kernel's TCP. */
export interface KernelHandle {
  readonly fd: number
  onconnection?: (this: unknown, status: number, client: unknown) => void
  bind(address: string, port: number, flags?: number): number
  bind6(address: string, port: number, flags?: number): number
  connect(request: Request, address: string, port: number): number
  connect6(request: Request, address: string, port: number): number
  listen(backlog: number): number
  getsockname(out: SocketName): number
  getpeername(out: SocketName): number
  setNoDelay(isOn: boolean): number
  setKeepAlive(isOn: boolean, delaySeconds: number): number
  setTypeOfService?(tos: number): number
  readStart(): number
  ref(): void
  unref(): void
  hasRef(): boolean
  close(callback?: () => void): void
  [key: symbol]: unknown
}

/** `JSStream` of js_stream: a stream of C++ (StreamBase) whose methods are JavaScript. What this folder overrides is left out. */
export interface NativeStream {
  /** Hands received bytes to whoever in C++ reads the stream; they are copied. */
  readBuffer(bytes: Uint8Array): void
  emitEOF(): void
  finishWrite(request: Request, status: number): void
  finishShutdown(request: Request, status: number): void
  useUserBuffer(buffer: Uint8Array): void
  /** Another async id from now on, `asyncId` if given: destroys the old one and inits the new one, which is shown as `resource`. */
  asyncReset(resource: object, asyncId?: number): void
  getProviderType(): number
  getAsyncId(): number
}

/** What of async_wrap is used. Node 24 does not give it: then hooks of `async_hooks` see more than they should, and nothing else is amiss. */
export interface AsyncState {
  /** How many hooks there are of each kind; C++ and JavaScript call none where it says 0. */
  readonly hooks: Uint32Array
  readonly init: number
  readonly before: number
  readonly after: number
  readonly destroy: number
  /** Number of the type TCPWRAP. */
  readonly tcpWrap: number
}

/** `TLSWrap` of tls_wrap: TLS over another stream of C++. */
export interface TlsWrap {
  /** The socket of the stream beneath, if the program has given one; its `close` closes that. */
  _parentWrap?: unknown
  /** What stands over it: TLS within TLS. This folder notes it. */
  above?: object | null
  close(callback?: () => void): void
  destroySSL(): void
  enableSessionCallbacks(): void
  setMaxSendFragment(...size: readonly unknown[]): unknown
  enableTrace(...none: readonly unknown[]): unknown
  [key: symbol]: unknown
}

/** Symbols of the methods by which sockets and servers move to another thread (`postMessage(message, [socket])`). */
export interface TransferSymbols {
  /** What moves with the object. */
  readonly list: symbol
  /** Gives up what the object has, for the message. */
  readonly transfer: symbol
  /** Takes it over in the other thread. */
  readonly deserialize: symbol
}

/** What of HTTPParser is used. */
export interface ParserInside {
  readonly prototype: object
  /** Under which number a parser has the function that hears of each part of a body. */
  readonly kOnBody: number
}

interface Bindings {
  readonly TCP: (new (type: number) => KernelHandle) & { readonly prototype: KernelHandle }
  readonly TCPConnectWrap: new () => Request
  readonly JSStream: (new () => NativeStream) & { readonly prototype: NativeStream }
  readonly setOnRead: (this: unknown, callback: unknown) => void
  readonly parser: ParserInside | null
  readonly Pipe: (new (type: number) => { close(callback: () => void): void }) & { readonly prototype: object }
  readonly pipeType: number
  readonly tlsBinding: object
  readonly TLSWrap: (new () => TlsWrap) & { readonly prototype: TlsWrap }
  readonly streamState: Int32Array
  readonly indexes: readonly number[]
  /** -1 before Node 26. */
  readonly errorIndex: number
  readonly WriteWrap: new () => Request
  readonly socketType: number
  readonly serverType: number
  readonly reusePortFlag: number
  readonly ipv6OnlyFlag: number
  readonly reinitialize: symbol
  readonly owner: symbol
  readonly bufferGenerator: symbol | null
  readonly runTicks: () => void
  readonly asyncState: AsyncState | null
  readonly shown: symbol | null
  readonly contextFrame: symbol | null
  readonly transferSymbols: TransferSymbols | null
}

/** What is missing, said so that a user knows what to do. */
class InternalMissing extends Error {}

/**
 * What a deprecated function stands for: --pending-deprecation puts one before `process.binding` and `_tickCallback` that warns, once, and
 * the program's own use is to be warned of.
 */
function undeprecated(fn: object): object {
  const behind = Reflect.getPrototypeOf(fn)
  return behind === null || behind === Function.prototype || typeof behind !== 'function' ? fn : behind
}

/** Runs `load` without warnings of deprecation. With --no-deprecation there are none, and the property is read-only. */
function withoutWarnings<T>(load: () => T): T {
  const before = Object.getOwnPropertyDescriptor(process, 'noDeprecation')
  if (before?.value === true) return load()
  process.noDeprecation = true
  try {
    return load()
  } finally {
    if (before === undefined) Reflect.deleteProperty(process, 'noDeprecation')
    else Object.defineProperty(process, 'noDeprecation', before)
  }
}

function binding(name: string): object {
  const given: unknown = Reflect.get(process, 'binding')
  if (typeof given !== 'function') throw new InternalMissing('process.binding')
  const load = undeprecated(given) as (this: unknown, name: string) => unknown
  try {
    const found = withoutWarnings(() => load.call(process, name))
    if (isObject(found)) return found
  } catch (error) {
    if (codeOf(error) === 'ERR_ACCESS_DENIED') throw new InternalMissing('the permission model (--permission) forbids process.binding')
  }
  throw new InternalMissing(`process.binding('${name}')`)
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : ''
}

/** --no-addons, or the permission model without --allow-addons. What is loaded does not exist: only the refusal is asked for. */
function checkAddons(): void {
  try {
    process.dlopen({ exports: {} }, '')
  } catch (error) {
    if (codeOf(error) === 'ERR_DLOPEN_DISABLED') throw new InternalMissing('native addons are forbidden, as by --no-addons')
  }
}

/** Property `name` of a binding, if `isGood` says that it is what it should be. */
function part<T>(from: object, name: PropertyKey, isGood: (value: unknown) => value is T): T {
  const value: unknown = Reflect.get(from, name)
  if (isGood(value)) return value
  throw new InternalMissing(String(name))
}

const isNumber = (value: unknown): value is number => typeof value === 'number'
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
const isWords = (value: unknown): value is Int32Array => value instanceof Int32Array

/** A class of C++ whose prototype has `methods`. */
function isClassWith<T>(...methods: readonly string[]): (value: unknown) => value is T {
  return (value): value is T => typeof value === 'function' && isObject(value.prototype)
    && methods.every((name) => typeof Reflect.get(value.prototype, name) === 'function')
}

/** The symbol of `object` or its prototypes that is called `description`, or null. */
function symbolOf(object: object, description: string): symbol | null {
  for (let at: object | null = object; at !== null; at = Reflect.getPrototypeOf(at)) {
    const found = Object.getOwnPropertySymbols(at).find((symbol) => symbol.description === description)
    if (found !== undefined) return found
  }
  return null
}

/** Sets `onread` as JSStream has it: C++ keeps it in a field of the stream. On Node 20 it is an accessor that shows itself as data. */
function onReadSetter(prototype: object): Bindings['setOnRead'] {
  if (!Reflect.has(prototype, 'onread')) throw new InternalMissing('onread of JSStream')
  return function setOnRead(callback) {
    Reflect.set(prototype, 'onread', callback, this)
  }
}

/** Under which symbol a handle knows its socket: seen at a handle that a socket has just taken over. */
function ownerSymbol(): symbol {
  const handle = { readStart: () => 0, readStop: () => 0, close: () => undefined }
  new net.Socket({ handle, manualStart: true } as net.SocketConstructorOpts)
  const owner = symbolOf(handle, 'owner_symbol')
  if (owner === null) throw new InternalMissing('owner_symbol')
  return owner
}

function tickRunner(): () => void {
  const run: unknown = Reflect.get(process, '_tickCallback')
  if (typeof run !== 'function') throw new InternalMissing('process._tickCallback')
  const ticks = undeprecated(run) as () => void
  return () => void ticks.call(process)
}

/** Kept for good: C++ tells hooks of the end of what is collected, and those that the program makes later have not seen this begin. */
const probes: object[] = []

/** Comes to light at a stream that is shown as something else. */
function shownSymbol(JSStream: Bindings['JSStream']): symbol | null {
  const probe = new JSStream()
  probes.push(probe)
  probe.asyncReset({})
  return symbolOf(probe, 'resource_symbol')
}

/** `process.binding` does not give it on Node 24. */
function parserInside(): ParserInside | null {
  const common: unknown = withoutWarnings(() => process.getBuiltinModule('_http_common'))
  const HTTPParser: unknown = isObject(common) ? Reflect.get(common, 'HTTPParser') : undefined
  if (!isClassWith<{ readonly prototype: object; readonly kOnBody: unknown }>('consume', 'unconsume')(HTTPParser)) return null
  const { prototype, kOnBody } = HTTPParser
  return isNumber(kOnBody) ? { prototype, kOnBody } : null
}

function asyncState(): AsyncState | null {
  try {
    const async = binding('async_wrap')
    const constants = part(async, 'constants', isObject)
    return {
      hooks: part(async, 'async_hook_fields', (value): value is Uint32Array => value instanceof Uint32Array),
      init: part(constants, 'kInit', isNumber),
      before: part(constants, 'kBefore', isNumber),
      after: part(constants, 'kAfter', isNumber),
      destroy: part(constants, 'kDestroy', isNumber),
      tcpWrap: part(part(async, 'Providers', isObject), 'TCPWRAP', isNumber),
    }
  } catch (error) {
    if (!(error instanceof InternalMissing)) throw error
    return null
  }
}

function transferSymbols(): TransferSymbols | null {
  const [list, transfer, deserialize] = ['messaging_transfer_list_symbol', 'messaging_transfer_symbol', 'messaging_deserialize_symbol']
    .map((description) => symbolOf(net.Socket.prototype, description))
  return list === null || transfer === null || deserialize === null ? null : { list, transfer, deserialize }
}

function find(): Bindings {
  checkAddons()
  const tcp = binding('tcp_wrap')
  const constants = part(tcp, 'constants', isObject)
  const stream = binding('stream_wrap')
  const pipe = binding('pipe_wrap')
  const JSStream = part(binding('js_stream'), 'JSStream',
    isClassWith<Bindings['JSStream']>('readBuffer', 'emitEOF', 'finishWrite', 'finishShutdown', 'asyncReset'))
  const reinitialize = symbolOf(net.Socket.prototype, 'kReinitializeHandle')
  if (reinitialize === null) throw new InternalMissing('kReinitializeHandle')
  const tlsBinding = binding('tls_wrap')
  part(tlsBinding, 'wrap', (value): value is object => typeof value === 'function')
  if (typeof Reflect.get(net.Server.prototype, '_listen2') !== 'function') throw new InternalMissing('Server.prototype._listen2')
  if (typeof Reflect.get(ChildProcess.prototype, 'spawn') !== 'function') throw new InternalMissing('ChildProcess.prototype.spawn')
  if (typeof Reflect.get(net, '_createServerHandle') !== 'function') throw new InternalMissing('net._createServerHandle')
  const reusePort: unknown = Reflect.get(constants, 'UV_TCP_REUSEPORT')
  const lastWriteError: unknown = Reflect.get(stream, 'kLastWriteErr')
  return {
    TCP: part(tcp, 'TCP', isClassWith<Bindings['TCP']>('bind', 'bind6', 'connect', 'connect6', 'listen', 'getsockname', 'getpeername', 'close')),
    TCPConnectWrap: part(tcp, 'TCPConnectWrap', isClassWith<Bindings['TCPConnectWrap']>()),
    JSStream,
    setOnRead: onReadSetter(JSStream.prototype),
    parser: parserInside(),
    Pipe: part(pipe, 'Pipe', isClassWith<Bindings['Pipe']>('writeUtf8String', 'writeBuffer', 'close')),
    pipeType: part(part(pipe, 'constants', isObject), 'SOCKET', isNumber),
    tlsBinding,
    TLSWrap: part(tlsBinding, 'TLSWrap',
      isClassWith<Bindings['TLSWrap']>('destroySSL', 'enableSessionCallbacks', 'setMaxSendFragment', 'enableTrace')),
    streamState: part(stream, 'streamBaseState', isWords),
    indexes: ['kReadBytesOrError', 'kArrayBufferOffset', 'kBytesWritten', 'kLastWriteWasAsync'].map((name) => part(stream, name, isNumber)),
    errorIndex: isNumber(lastWriteError) ? lastWriteError : -1,
    WriteWrap: part(stream, 'WriteWrap', isClassWith<Bindings['WriteWrap']>()),
    socketType: part(constants, 'SOCKET', isNumber),
    serverType: part(constants, 'SERVER', isNumber),
    // Node 20 has no reusePort.
    reusePortFlag: isNumber(reusePort) ? reusePort : 0,
    ipv6OnlyFlag: part(constants, 'UV_TCP_IPV6ONLY', isNumber),
    reinitialize,
    owner: ownerSymbol(),
    bufferGenerator: symbolOf(new net.Socket(), 'kBufferGen'),
    runTicks: tickRunner(),
    asyncState: asyncState(),
    shown: shownSymbol(JSStream),
    contextFrame: symbolOf(new AsyncResource('TASJS'), 'context_frame'),
    transferSymbols: transferSymbols(),
  }
}

function attempt(): Bindings | string {
  try {
    return find()
  } catch (error) {
    if (!(error instanceof InternalMissing)) throw error
    return error.message
  }
}

const found = attempt()

/** What is missing in this Node, as a phrase, or null if all is there. If it is not, nothing else of this folder may be used. */
export const missingInternal = typeof found === 'string' ? found : null

/** Stands for what is missing: the program goes on with the kernel's TCP, or ends. */
class Missing {
  constructor() {
    throw new InternalMissing(missingInternal ?? '')
  }
}

const internals: Partial<Bindings> = typeof found === 'string' ? {} : found

export const TCP = internals.TCP ?? Missing as unknown as Bindings['TCP']
/** The request of `connect` of TCP. */
export const TCPConnectWrap = internals.TCPConnectWrap ?? Missing as unknown as Bindings['TCPConnectWrap']
export const JSStream = internals.JSStream ?? Missing as unknown as Bindings['JSStream']
/** Sets `onread` of a JSStream where C++ looks for it. */
export const setOnRead = internals.setOnRead ?? ((): void => undefined)
/** Null where it cannot be had: then a program's own parsers do not read handles on TAS, and parts of a body that come together have no ticks between them. */
export const PARSER = internals.parser ?? null
export const Pipe = internals.Pipe ?? Missing as unknown as Bindings['Pipe']
export const PIPE_SOCKET = internals.pipeType ?? 0
/** internalBinding('tls_wrap'); `_tls_wrap.js` looks `wrap` up at each call. */
export const tlsBinding = internals.tlsBinding ?? {}
export const TLSWrap = internals.TLSWrap ?? Missing as unknown as Bindings['TLSWrap']
/** Where a handle tells `net` what happened, by the four indexes below (lib/internal/stream_base_commons.js). */
export const streamState = internals.streamState ?? new Int32Array(8)
const [readIndex = 0, offsetIndex = 0, writtenIndex = 0, asyncIndex = 0] = internals.indexes ?? []
export const READ_BYTES_OR_ERROR = readIndex
export const ARRAY_BUFFER_OFFSET = offsetIndex
export const BYTES_WRITTEN = writtenIndex
export const LAST_WRITE_WAS_ASYNC = asyncIndex
/** -1 where Node does not ask for it. */
export const LAST_WRITE_ERROR = internals.errorIndex ?? -1

/** A request of a write that `net` has brought none for. */
export function newWriteRequest(): Request {
  const request = new (internals.WriteWrap ?? Missing as unknown as Bindings['WriteWrap'])()
  request.writeStatus = null
  return request
}
/** Kinds of TCP handles. */
export const TCP_SOCKET = internals.socketType ?? 0
export const TCP_SERVER = internals.serverType ?? 1
/** Flags of bind: UV_TCP_REUSEPORT (0 where there is none) and UV_TCP_IPV6ONLY. */
export const REUSE_PORT = internals.reusePortFlag ?? 0
export const IPV6_ONLY = internals.ipv6OnlyFlag ?? 0
/** Symbols of `net`: the method that changes a socket's handle, a handle's owner, a socket's generator of read buffers. */
export const REINITIALIZE = internals.reinitialize ?? Symbol('missing')
export const OWNER = internals.owner ?? Symbol('missing')
export const BUFFER_GENERATOR = internals.bufferGenerator ?? null
/**
 * Runs what process.nextTick and promises have waiting. C++ does so after each callback (InternalCallbackScope::Close), so whoever
 * makes several callbacks in a turn has to as well.
 */
export const runTicks = internals.runTicks ?? ((): void => undefined)
/** Counts of hooks and names of async_wrap, or null where there are none. */
export const asyncStateOfNode = internals.asyncState ?? null
/** Under which symbol a resource holds the one that programs are shown in its place. */
export const SHOWN = internals.shown ?? null
/** Under which symbol an AsyncResource holds the stores of AsyncLocalStorage; not on Node 20. */
export const CONTEXT_FRAME = internals.contextFrame ?? null
/** Null where sockets stay in their thread: on Node 20 and 22. */
export const TRANSFER = internals.transferSymbols ?? null
