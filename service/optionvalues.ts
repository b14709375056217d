/**
 * Readers of single option values. Each takes the text behind the option's `=` and returns the value, or throws
 * BadValue with what would be right; the option's name and the text are added by the caller.
 */

/** Why a value is wrong, and what would be right. */
export class BadValue extends Error {}

/** An address with the length of its subnet's prefix. */
export interface Cidr {
  /** Address as a signed 32-bit number: 10.0.0.1 is 0x0a000001. */
  readonly address: number
  /** 0 to 32. */
  readonly prefix: number
}

/** A route of --ip-route. */
export interface RouteOption extends Cidr {
  readonly nextHop: number
}

/** A network interface as --nic names it. */
export interface NicOption {
  readonly kind: 'af_packet' | 'tap'
  readonly name: string
}

/** Groups digits by threes: 16384 is 16,384. */
export function grouped(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 6 })
}

/** Reads a whole number of plain decimal digits. */
export function readInteger(text: string, least: number, most: number): number {
  const range = `want a whole number from ${grouped(least)} to ${grouped(most)}`
  if (/^-\d+$/.test(text)) throw new BadValue(`is negative; ${range}`)
  if (!/^\d+$/.test(text)) throw new BadValue(range)
  const value = Number(text)
  if (value < least || value > most) throw new BadValue(`is out of range; ${range}`)
  return value
}

/** What the kernel's lists of CPUs can name (cpu_set_t). */
const CPUS_MAX = 1024

/** Reads numbers of CPUs with commas between them, as in 2,3. */
export function readCpus(text: string): readonly number[] {
  const cpus = text.split(',').map((cpu) => readInteger(cpu, 0, CPUS_MAX - 1))
  if (new Set(cpus).size < cpus.length) throw new BadValue('names a CPU twice; want different ones, as in 2,3')
  return cpus
}

/** Reads a decimal fraction. */
export function readFraction(text: string, least: number, most: number): number {
  const value = /^-?\d+(\.\d+)?$|^-?\.\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= least && value <= most)) throw new BadValue(`want a decimal number from ${least} to ${most}, as in 0.5`)
  return value
}

/** Reads one of a few words. */
export function readChoice<T extends string>(text: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === text)
  if (found === undefined) throw new BadValue(`want one of ${choices.join(', ')}`)
  return found
}

/** Reads one of a few words, or the path of a module: what has a slash in it. */
export function readChoiceOrModule(text: string, choices: readonly string[]): string {
  if (isModulePath(text)) return text
  if (choices.includes(text)) return text
  throw new BadValue(`want one of ${choices.join(', ')}, or the path of a module, as in ./mine.js`)
}

/** Whether a value of readChoiceOrModule is a path. */
export function isModulePath(text: string): boolean {
  return text.includes('/')
}

/** Writes an address with dots. */
export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.')
}

/** Reads an IPv4 address. Leading zeros are refused: some programs read them as octal. */
export function readAddress(text: string, example: string): number {
  const parts = text.split('.')
  const good = parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
  if (!good) throw new BadValue(`want four numbers from 0 to 255 with dots, as in ${example}`)
  return parts.reduce((address, part) => (address << 8) | Number(part), 0)
}

/** Mask of the first `prefix` bits. */
export function prefixMask(prefix: number): number {
  return prefix === 0 ? 0 : -1 << (32 - prefix)
}

function readCidr(text: string, otherwise: number, example: string): Cidr {
  const slash = text.indexOf('/')
  const address = readAddress(slash < 0 ? text : text.slice(0, slash), example)
  if (slash < 0) return { address, prefix: otherwise }
  const length = text.slice(slash + 1)
  if (!/^\d{1,3}$/.test(length) || Number(length) > 32) {
    throw new BadValue(`prefix length must be 0 to 32, as in ${example}`)
  }
  return { address, prefix: Number(length) }
}

function isHostAddress(address: number): boolean {
  const first = address >>> 24
  return first !== 0 && first !== 127 && first < 224
}

/** Reads ADDR[/PREFIXLEN] of a host. Without a prefix length all addresses are neighbours, as in the original. */
export function readLocalAddress(text: string): Cidr {
  const cidr = readCidr(text, 0, '10.0.0.1/24')
  if (!isHostAddress(cidr.address)) throw new BadValue('want an address that a host can have, as in 10.0.0.1/24')
  const hostBits = cidr.address & ~prefixMask(cidr.prefix)
  if (cidr.prefix < 31 && (hostBits === 0 || hostBits === ~prefixMask(cidr.prefix))) {
    throw new BadValue(`is the ${hostBits === 0 ? 'number' : 'broadcast address'} of its subnet; want a host in it`)
  }
  return cidr
}

/** Reads DEST[/PREFIX],NEXTHOP. */
export function readRoute(text: string): RouteOption {
  const example = '0.0.0.0/0,10.0.0.254'
  const comma = text.indexOf(',')
  if (comma < 0) throw new BadValue(`next hop is missing; want DEST/PREFIX,NEXTHOP, as in ${example}`)
  const { address, prefix } = readCidr(text.slice(0, comma), 32, example)
  const nextHop = readAddress(text.slice(comma + 1), example)
  if (!isHostAddress(nextHop)) throw new BadValue(`next hop must be an address that a host can have, as in ${example}`)
  const network = address & prefixMask(prefix)
  if (network !== address) {
    throw new BadValue(`destination has bits behind its prefix; want ${formatAddress(network)}/${prefix}`)
  }
  return { address, prefix, nextHop }
}

/** Reads the name of a network interface, as the kernel allows it. */
export function readInterfaceName(text: string): string {
  if (!/^[^/:\s]{1,15}$/.test(text) || text === '.' || text === '..') {
    throw new BadValue('want the name of a network interface: 1 to 15 characters without slash, colon or space, as in eth0')
  }
  return text
}

/** Reads [af_packet:|tap:]NAME. */
export function readNic(text: string): NicOption {
  const [, kind, name] = /^(?:([^:]*):)?(.*)$/s.exec(text) ?? []
  if (kind !== undefined && kind !== 'af_packet' && kind !== 'tap') {
    throw new BadValue('want [af_packet:|tap:]NAME, as in eth0 or tap:tas0')
  }
  return { kind: kind ?? 'af_packet', name: readInterfaceName(name ?? '') }
}

/** Reads a MAC address of one station. */
export function readMac(text: string): Uint8Array {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) {
    throw new BadValue('want six pairs of hexadecimal digits with colons, as in 02:00:00:00:00:01')
  }
  const mac = Uint8Array.from(text.split(':'), (pair) => Number.parseInt(pair, 16))
  if ((mac[0] & 1) === 1) throw new BadValue('is a group address (first byte is odd); want one such as 02:00:00:00:00:01')
  if (mac.every((byte) => byte === 0)) throw new BadValue('is all zeros; want one such as 02:00:00:00:00:01')
  return mac
}

/** Longest path that fits a unix socket address, in bytes. */
const SOCKET_PATH_MAX = 107

/** Reads the path of a unix socket. */
export function readSocketPath(text: string): string {
  if (text === '' || text.includes('\0')) throw new BadValue('want a path, as in /run/tas.sock')
  const lenBytes = Buffer.byteLength(text)
  if (lenBytes > SOCKET_PATH_MAX) throw new BadValue(`is ${lenBytes} bytes long; a socket's path has at most ${SOCKET_PATH_MAX}`)
  return text
}

/** Reads a file mode in octal digits. */
export function readMode(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text)) throw new BadValue('want three octal digits, as in 0660')
  return Number.parseInt(text, 8)
}
