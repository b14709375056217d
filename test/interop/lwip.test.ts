import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cleanup } from '../../tools/netlab/index.js'
import { ROLES } from './exchange.js'
import { LWIP_CASES, runLwipCase, startLwipHosts, type LwipHosts } from './lwip.js'
import { hostsRefused, lwipMissing } from './needs.js'

const why = await hostsRefused() ?? lwipMissing()

describe.skipIf(why !== null)(`lwIP${why === null ? '' : ` (skipped: ${why})`}`, () => {
  const cleanup = new Cleanup()
  let hosts: LwipHosts | null = null
  beforeAll(async () => { hosts = await startLwipHosts(cleanup) })
  afterAll(async () => { expect(await cleanup.run()).toEqual([]) })

  for (const one of LWIP_CASES) {
    test.for(ROLES)(`${one.name}; TAS as %s -> equal bytes, orderly end`, async role => {
      if (hosts === null) throw new Error('the hosts did not start')
      await runLwipCase(hosts, one, role)
    })
  }
})
