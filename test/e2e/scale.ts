/** `tas scale`: how many workers are in use. */
import { compiled } from '../../tools/netlab/index.js'
import type { Hosts } from './harness.js'

export interface Scaled {
  readonly auto: boolean
  readonly active: number
  readonly workers: readonly { readonly groups: number; readonly flows: number; readonly load: number }[]
}

/** What `tas scale` prints as JSON after `argument`. */
export async function scale({ service, lab }: Hosts, ...argument: string[]): Promise<Scaled> {
  const text = await lab.tas.run(process.execPath, [compiled('service/main.js'), 'scale', '--json', `--socket=${service.socket}`, ...argument])
  return JSON.parse(text) as Scaled
}
