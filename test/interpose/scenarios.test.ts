/** The same programs on plain Node and on TAS: every case must end well on both, and show the same. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { KERNEL_ADDRESS, TAS_ADDRESS } from '../../tools/netlab/index.js'
import { describeHosts } from '../e2e/harness.js'
import { certificatesRefused, makeCertificates } from './certificates.js'
import { EMBEDDED_ADDRESS, embeddedTas, nodes, resultsOf, runProgram, scenario, type NodeBinary, type OnTas } from './programs.js'
import type { CaseResult } from './scenarios/runner.js'

const SCENARIO_MS = 200_000
/** Programs that run on a service as on a TAS of their own. */
const EVERYWHERE = [
  'net', 'netstream', 'nethandle', 'uncaught', 'hooks', 'http', 'http2', 'clusters', 'clustersnone', 'clusterservers', 'churn', 'churnhttp', 'churnsent',
]
const OVER_TLS = ['tls', 'tlsover']
/** Programs of which several processes or threads have TAS. */
const OF_PROCESSES = ['processes', 'threads', 'sending', 'churnpeers']
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

  const run = async (name: string, node: NodeBinary, address: string, onTas: OnTas | null): Promise<Map<string, CaseResult>> => {
    const env = { HOST: address, CERTIFICATES: certificates }
    return resultsOf(await runProgram(hosts().lab.tas, scenario(name), { node: node.path, env }, onTas))
  }

  describe.each([...nodes])('$name', (node) => {
    const plainResults = new Map<string, Promise<Map<string, CaseResult>>>()
    /** On plain Node; once for all that is compared with it. */
    const plainly = (name: string): Promise<Map<string, CaseResult>> => {
      const results = plainResults.get(name) ?? run(name, node, KERNEL_ADDRESS, null)
      plainResults.set(name, results)
      return results
    }
    const compare = async (name: string, address: string, onTas: OnTas): Promise<void> => {
      const plain = await plainly(name)
      const other = await run(name, node, address, onTas)
      expect(failures(plain)).toEqual([])
      expect(failures(other)).toEqual([])
      for (const [caseName, { seen }] of plain) expect(other.get(caseName)?.seen, caseName).toEqual(seen)
      expect(other.size).toBe(plain.size)
    }
    const onService = (name: string): Promise<void> => compare(name, TAS_ADDRESS, hosts().service)
    const onOwn = (name: string): Promise<void> => compare(name, EMBEDDED_ADDRESS, embeddedTas(hosts().lab))
    const skipped = noCertificates === null ? '' : ` (skipped: ${noCertificates})`

    it.each([...EVERYWHERE, ...OF_PROCESSES])('%s: plain Node and TAS -> the same', onService, SCENARIO_MS)
    it.skipIf(noCertificates !== null).each(OVER_TLS)(`%s: plain Node and TAS -> the same${skipped}`, onService, SCENARIO_MS)
    it.each([...EVERYWHERE, 'clusterhandout'])('%s: plain Node and a TAS of the program\'s own -> the same', onOwn, SCENARIO_MS)
    it.skipIf(noCertificates !== null).each(OVER_TLS)(`%s: plain Node and a TAS of the program's own -> the same${skipped}`, onOwn, SCENARIO_MS)
  })
})
