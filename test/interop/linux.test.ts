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

for (const group of groups) {
  describe.skipIf(why !== null)(`Linux peers, ${describeGroup(group)}${why === null ? '' : ` (skipped: ${why})`}`, () => {
    const cleanup = new Cleanup()
    let hosts: GroupHosts | null = null
    let controls: string[] = []
    beforeAll(async () => {
      hosts = await startGroup(group, cleanup)
      controls = await availableControls(hosts)
    })
    afterAll(async () => { expect(await cleanup.run()).toEqual([]) })

    for (const one of group.cases) {
      test.for(ROLES)(`${describeCase(one)}; TAS as %s: all exchanges -> equal bytes, orderly end`, async role => {
        onTestFailed(() => console.error(`repeat with TASJS_SEED=${seed}`))
        if (hosts === null) throw new Error('the hosts did not start')
        // A kernel may have no bbr.
        const control = controls.includes(one.control) ? one.control : 'cubic'
        await runCase(hosts, { ...one, control }, role, seed)
      })
    }
  })
}
