import { TAS_ADDRESS } from '../../netlab/index.js'
import { check, type Step } from '../demo.js'

const COUNT = 5

/** The kernel pings TAS: ARP and ICMP echo. */
export const ping: Step = {
  title: `ping ${TAS_ADDRESS}`,
  async run({ lab }) {
    const output = await lab.peer.run('ping', ['-n', '-c', String(COUNT), '-i', '0.2', '-W', '2', TAS_ADDRESS])
    const received = Number(/(\d+) received/.exec(output)?.[1] ?? 0)
    check(received === COUNT, `${received} of ${COUNT} answers`)
    const averageMs = /= [\d.]+\/([\d.]+)\//.exec(output)?.[1]
    return `${received} of ${COUNT} answers, average ${averageMs ?? '?'} ms`
  },
}
