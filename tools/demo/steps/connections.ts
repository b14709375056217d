import {
  loadFailure, startLoad, statistic, TAS_ADDRESS, until, type LoadOptions, type LoadResult,
} from '../../netlab/index.js'
import { check, ECHO_PORT, type Demo, type Step } from '../demo.js'

const MANY = 1_000
const VERY_MANY = 10_000
/** Flows in these states still hold something of TAS. TIME-WAIT is what RFC 9293 demands of the side that closes first. */
const OPEN_STATES = ['flowsSynSent', 'flowsSynReceived', 'flowsEstablished', 'flowsClosing', 'flows'] as const
const GONE_MS = 30_000

async function exchange(
  demo: Demo, options: Pick<LoadOptions, 'connections' | 'size' | 'rounds'>, say: (news: string) => void,
): Promise<LoadResult> {
  const patience = 120
  const load = startLoad(demo.lab.peer, { mode: 'verify', address: TAS_ADDRESS, port: ECHO_PORT, patience, ...options })
  say('opening')
  await load.opened(patience * 1000)
  say('all open, exchanging')
  const result = await load.result(patience * 1000)
  const failure = loadFailure(result)
  check(failure === null, failure ?? '')
  check(result.opened === options.connections, `${result.opened} of ${options.connections} connections opened`)
  return result
}

/** 1,000 connections at once echo random data, every byte compared. */
export const thousand: Step = {
  title: `${MANY.toLocaleString('en')} connections at once echo random data`,
  async run(demo, say) {
    const result = await exchange(demo, { connections: MANY, size: 16_384, rounds: 8 }, say)
    return `${result.requests} messages, ${(result.bytes / 2 ** 20).toFixed(0)} MiB, every byte equal`
  },
}

/** 10,000 connections open, exchange and close, after which TAS has no flow left. */
export const tenThousand: Step = {
  title: `${VERY_MANY.toLocaleString('en')} connections open, exchange and close`,
  async run(demo, say) {
    const result = await exchange(demo, { connections: VERY_MANY, size: 1024, rounds: 1 }, say)
    const exchanged = `${result.opened} opened, ${result.requests} messages equal`
    const { service } = demo
    if (service === null) return exchanged
    say('all closed; waiting for the last flow to leave TAS')
    const last = await until('no flow is left in TAS', async () => {
      const statistics = await service.statistics()
      const left = OPEN_STATES.filter(name => statistic(statistics, name) > 0)
      say(left.length === 0 ? 'no flow left' : left.map(name => `${name} ${statistic(statistics, name)}`).join(', '))
      return left.length === 0 ? statistics : undefined
    }, GONE_MS)
    const waiting = statistic(last, 'flowsTimeWait')
    const note = waiting === 0 ? '' : ` (${waiting} in TIME-WAIT, where the TAS side closed first)`
    return `${exchanged}, no flow left in TAS${note}`
  },
}
