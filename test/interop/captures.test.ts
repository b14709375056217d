import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cleanup } from '../../tools/netlab/index.js'
import { runScene, SCENES, sceneFault, startCaptured, type CapturedHosts } from './captures.js'
import { hostsRefused, tsharkMissing } from './needs.js'

const why = await hostsRefused() ?? await tsharkMissing()

describe.skipIf(why !== null)(`tshark's analysis of a capture${why === null ? '' : ` (skipped: ${why})`}`, () => {
  const cleanup = new Cleanup()
  let hosts: CapturedHosts | null = null
  beforeAll(async () => { hosts = await startCaptured(cleanup) })
  afterAll(async () => { expect(await cleanup.run()).toEqual([]) })

  for (const scene of SCENES) {
    test(`${scene.name} -> no remark about TAS that the link does not explain`, async () => {
      if (hosts === null) throw new Error('the hosts did not start')
      const result = await runScene(hosts, scene)
      expect(result.analysis.packets).toBeGreaterThan(50)
      expect(sceneFault(scene, result)).toBeNull()
    })
  }
})
