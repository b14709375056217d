import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest'
import { Cleanup } from '../../tools/netlab/index.js'
import { allCases, describeCase, describeGroup, groupCases, pairwiseCases } from './cases.js'
import { ROLES } from './exchange.js'
import { availableControls, runCase, startGroup, type GroupHosts } from './linux.js'
import { hostsRefused } from './needs.js'

const why = await hostsRefused()
/** TASJS_INTEROP=all: every combination instead of every pair. */
const groups = groupCases(process.env.TASJS_INTEROP === 'all' ? allCases() : pairwiseCases())
const seed = Number(process.env.TASJS_SEED ?? Math.floor(Math.random() * 0x7fffffff))

describe.skipIf(why !== null).each(groups)(`Linux peers${why === null ? '' : ` (skipped: ${why})`}: $mtu, TAS offload $tasOffload`, group => {
  const cleanup = new Cleanup()
  let hosts: GroupHosts | null = null
  let controls: string[] = []
  beforeAll(async () => {
    hosts = await startGroup(group, cleanup)
    controls = await availableControls(hosts)
  })
  afterAll(async () => { expect(await cleanup.run()).toEqual([]) })

  const rows = group.cases.flatMap(one => ROLES.map(role => ({ one, role, name: `${describeCase(one)}` })))
  test.each(rows)(`${describeGroup(group)}, TAS as $role, peer: $name: all exchanges -> equal bytes, orderly end`, async ({ one, role }, ) => {
    onTestFailed(() => console.error(`repeat with TASJS_SEED=${seed}`))
    if (hosts === null) throw new Error('the hosts did not start')
    const control = controls.includes(one.control) ? one.control : 'cubic'
    await runCase(hosts, { ...one, control }, role, seed)
  })
})
