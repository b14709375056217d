/** The same programs on plain Node and on TAS: every case must end well on both, and show the same. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { KERNEL_ADDRESS, TAS_ADDRESS } from '../../tools/netlab/index.js'
import { describeHosts } from '../e2e/harness.js'
import { certificatesRefused, makeCertificates } from './certificates.js'
import { nodes, resultsOf, runProgram, scenario, type NodeBinary } from './programs.js'
import type { CaseResult } from './scenarios/runner.js'

const SCENARIO_MS = 200_000
const noCertificates = certificatesRefused()

function failures(results: ReadonlyMap<string, CaseResult>): (string | null)[] {
  return [...results.values()].filter(({ error }) => error !== null).map(({ name, error }) => `${name}: ${error}`)
}

describeHosts('programs on TAS', {}, (hosts) => {
  let certificates = ''
  beforeAll(() => {
    certificates = join(hosts().folder, 'certificates')
    mkdirSync(certificates)
    if (noCertificates === null) makeCertificates(certificates)
  })

  const run = async (name: string, node: NodeBinary, isOnTas: boolean): Promise<Map<string, CaseResult>> => {
    const { lab, service } = hosts()
    const env = { HOST: isOnTas ? TAS_ADDRESS : KERNEL_ADDRESS, CERTIFICATES: certificates }
    return resultsOf(await runProgram(lab.tas, scenario(name), { node: node.path, env }, isOnTas ? service : null))
  }

  describe.each([...nodes])('$name', (node) => {
    const compare = async (name: string): Promise<void> => {
      const plain = await run(name, node, false)
      const onTas = await run(name, node, true)
      expect(failures(plain)).toEqual([])
      expect(failures(onTas)).toEqual([])
      for (const [caseName, { seen }] of plain) expect(onTas.get(caseName)?.seen, caseName).toEqual(seen)
      expect(onTas.size).toBe(plain.size)
    }
    it.each(['net', 'netstream', 'http', 'processes'])('%s: plain Node and TAS -> the same', compare, SCENARIO_MS)
    const reason = noCertificates === null ? '' : ` (skipped: ${noCertificates})`
    it.skipIf(noCertificates !== null)(`tls: plain Node and TAS -> the same${reason}`, () => compare('tls'), SCENARIO_MS)
  })
})
