/** Ports of every benchmark server, counted from its --port; bench/native/common.h has the same. */
import { parseArgs } from 'node:util'

/** Sends back what it receives. */
export const PORT_ECHO = 0
/** Sends without end. */
export const PORT_SOURCE = 1
/** Reads and drops. */
export const PORT_SINK = 2

/** Bytes of a write of the source, unless --call-bytes says something else. */
export const CALL_BYTES = 65_536
const CALL_BYTES_MAX = 1 << 24

export const DEFAULT_PORT = 7000

/** Handshakes that may wait to be accepted. */
export const BACKLOG = 4096

/** The option of every server, for parseArgs. */
export const PORT_OPTION = { port: { type: 'string', default: String(DEFAULT_PORT) } } as const
/** The options of every server that has a source. */
export const SERVER_OPTIONS = { ...PORT_OPTION, 'call-bytes': { type: 'string', default: String(CALL_BYTES) } } as const

/** The first port, as --port gives it. Exits with 2 if it is not one. */
export function checkPort(text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port > 0 && port + PORT_SINK <= 65_535) return port
  console.error(`--port: "${text}": must be a number from 1 to ${65_535 - PORT_SINK}`)
  process.exit(2)
}

/** The bytes of a call, as --call-bytes gives them. Exits with 2 if they are not a number of some. */
export function checkCallBytes(text: string): number {
  const bytes = Number(text)
  if (Number.isInteger(bytes) && bytes > 0 && bytes <= CALL_BYTES_MAX) return bytes
  console.error(`--call-bytes: "${text}": must be a number from 1 to ${CALL_BYTES_MAX}`)
  process.exit(2)
}

/** The options of a server that has no others. Exits with 2 if one is wrong. */
export function parseServer(): { readonly port: number; readonly callBytes: number } {
  const { values } = parseArgs({ options: SERVER_OPTIONS })
  return { port: checkPort(values.port), callBytes: checkCallBytes(values['call-bytes']) }
}

/** The first port, from a command line that has no other option. Exits with 2 if it is not one. */
export function parsePort(): number {
  return checkPort(parseArgs({ options: PORT_OPTION }).values.port)
}
