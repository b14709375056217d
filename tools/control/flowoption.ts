/** Values of options that choose flows. */
import { InvalidArgumentError } from 'commander'
import type { FlowQuery } from '../../lib/memif/index.js'
import { parseIpv4Address } from '../../lib/wire/index.js'

/** A whole number of at most `most`. Throws InvalidArgumentError that says `wish`. */
export function readInteger(text: string, least: number, most: number, wish: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw new InvalidArgumentError(wish)
}

/** A port. Throws InvalidArgumentError. */
export function readPort(text: string): number {
  return readInteger(text, 1, 65_535, 'want a port from 1 to 65535')
}

const FLOW_WISH = 'want ADDR:PORT-ADDR:PORT, as in 10.0.0.1:80-10.0.0.2:5000, or the number in the column "id"'

function readEnd(text: string): readonly [number, number] {
  const [, address = '', port = ''] = /^([\d.]+):(\d+)$/.exec(text) ?? []
  const ip = parseIpv4Address(address)
  if (ip === null) throw new InvalidArgumentError(FLOW_WISH)
  return [ip, readInteger(port, 1, 65_535, FLOW_WISH)]
}

/** A flow by both its ends, local or remote first, or by its number. Throws InvalidArgumentError. */
export function readFlow(text: string): readonly FlowQuery[] {
  if (/^\d+$/.test(text)) return [{ flow: readInteger(text, 0, 2 ** 31 - 1, FLOW_WISH) }]
  const ends = text.split('-')
  if (ends.length !== 2) throw new InvalidArgumentError(FLOW_WISH)
  const [[ipA, portA], [ipB, portB]] = ends.map(readEnd)
  return [
    { localIp: ipA, localPort: portA, remoteIp: ipB, remotePort: portB }, { localIp: ipB, localPort: portB, remoteIp: ipA, remotePort: portA },
  ]
}
