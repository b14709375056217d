/** `npm run interop`: TAS with every peer there is here, with progress and a table. */
import { release } from 'node:os'
import { parseArgs } from 'node:util'
import { Cleanup, run, writeBetween } from '../../tools/netlab/index.js'
import { countFindings, needless, runScene, SCENES, sceneFault, startCaptured } from './captures.js'
import { allCases, describeCase, describeGroup, groupCases, pairwiseCases, type CaseGroup } from './cases.js'
import { ROLES } from './exchange.js'
import { availableControls, runCase, startGroup } from './linux.js'
import { LWIP_CASES, lwipVersion, runLwipCase, startLwipHosts } from './lwip.js'
import { hostsRefused, lwipMissing, tsharkMissing } from './needs.js'
import { reportTable, type ReportRow } from './report.js'

const HELP = `usage: npm run interop -- [options]

Runs TAS against Linux peers of every kind and lwIP, has captures examined by tshark, and prints a table.
lwIP needs the package liblwip-dev, captures need tshark; what is missing is skipped.

  --quick          pairs of what Linux peers can be like instead of all combinations
  --only PART      linux, lwip or captures
  --seed N         of the bytes that are exchanged (random)
  --write          write the table into docs/interop.md
  --help           this text
`

const PARTS = ['linux', 'lwip', 'captures'] as const
type Part = (typeof PARTS)[number]

const cleanup = new Cleanup()

function progress(text: string): void {
  process.stderr.write(`interop: ${text}\n`)
}

/** Runs one case and notes how it ended. */
async function attempt(name: string, failures: string[], body: () => Promise<void>): Promise<number> {
  const start = performance.now()
  try {
    await body()
    progress(`ok ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
    return 1
  } catch (error) {
    if (cleanup.interrupted) throw error
    const line = `${name}: ${error instanceof Error ? error.message.replaceAll(/\s+/g, ' ') : String(error)}`
    failures.push(line)
    progress(`FAILED ${line}`)
    return 0
  }
}

/** Hosts of one part, removed when it is over. */
async function withHosts<H>(start: (own: Cleanup) => Promise<H>, body: (hosts: H) => Promise<void>): Promise<void> {
  const own = new Cleanup()
  const forget = cleanup.add('hosts', async () => { await own.run() })
  try {
    await body(await start(own))
  } finally {
    for (const failure of await own.run()) progress(failure)
    forget()
  }
}

async function runGroup(group: CaseGroup, seed: number): Promise<ReportRow> {
  const failures: string[] = []
  let passed = 0
  await withHosts(own => startGroup(group, own), async hosts => {
    const controls = await availableControls(hosts)
    for (const one of group.cases.filter(({ control }) => controls.includes(control))) {
      for (const role of ROLES) {
        const name = `${describeGroup(group)}: ${describeCase(one)}; TAS as ${role}`
        passed += await attempt(name, failures, () => runCase(hosts, one, role, seed))
      }
    }
  })
  return { peer: `Linux ${release()}`, what: `${describeGroup(group)}: requests, bulk both ways, half-close`, passed, failures, skipped: null }
}

async function runLwip(): Promise<ReportRow[]> {
  const skipped = lwipMissing()
  if (skipped !== null) return [{ peer: 'lwIP', what: 'all cases', passed: 0, failures: [], skipped }]
  const peer = `lwIP ${await lwipVersion()}`
  const rows: ReportRow[] = []
  await withHosts(startLwipHosts, async hosts => {
    for (const one of LWIP_CASES) {
      const failures: string[] = []
      let passed = 0
      for (const role of ROLES) passed += await attempt(`lwIP: ${one.name}; TAS as ${role}`, failures, () => runLwipCase(hosts, one, role))
      rows.push({ peer, what: one.name, passed, failures, skipped: null })
    }
  })
  return rows
}

async function runCaptures(): Promise<ReportRow[]> {
  const peer = `tshark, Linux ${release()}`
  const skipped = await tsharkMissing()
  if (skipped !== null) return [{ peer, what: 'all captures', passed: 0, failures: [], skipped }]
  const rows: ReportRow[] = []
  await withHosts(startCaptured, async hosts => {
    for (const scene of SCENES) {
      const failures: string[] = []
      let what = scene.name
      const passed = await attempt(`tshark: ${scene.name}`, failures, async () => {
        const result = await runScene(hosts, scene)
        const fault = sceneFault(scene, result)
        if (fault !== null) throw new Error(fault)
        const spurious = countFindings(result.analysis).get('spurious retransmission') ?? 0
        what += `: ${result.analysis.packets} packets, ${result.lost} of TAS lost, ${needless(result)} sent again without need, ${spurious} spurious`
      })
      rows.push({ peer, what, passed, failures, skipped: null })
    }
  })
  return rows
}

async function versions(seed: number): Promise<string[]> {
  const tshark = await tsharkMissing() === null ? (await run('tshark', ['--version'])).split('\n')[0].replace(/^TShark \(Wireshark\) ([\d.]+).*/, 'tshark $1') : 'no tshark'
  return [`Node ${process.versions.node}, Linux ${release()}, ${tshark}, seed ${seed}, ${new Date().toISOString()}`]
}

function readOptions(argv: readonly string[]) {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: 'boolean', default: false }, only: { type: 'string' }, seed: { type: 'string' },
      write: { type: 'boolean', default: false }, help: { type: 'boolean', default: false },
    },
  })
  const { only } = values
  if (only !== undefined && !(PARTS as readonly string[]).includes(only)) throw new Error(`--only: "${only}": must be of ${PARTS.join(', ')}`)
  if (only !== undefined && values.write) throw new Error('--write: needs all parts, not --only')
  const seed = Number(values.seed ?? Math.floor(Math.random() * 0x7fffffff))
  if (!(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31)) throw new Error(`--seed: "${values.seed}": must be a whole number below 2^31`)
  return { ...values, seed, parts: only === undefined ? PARTS : [only as Part] }
}

async function main(argv: readonly string[]): Promise<number> {
  const { quick, parts, seed, write, help } = readOptions(argv)
  if (help) {
    process.stdout.write(HELP)
    return 0
  }
  const refused = await hostsRefused()
  if (refused !== null) throw new Error(refused)
  cleanup.onSignals(() => progress('ending'))
  const rows: ReportRow[] = []
  if (parts.includes('linux')) {
    for (const group of groupCases(quick ? pairwiseCases() : allCases())) rows.push(await runGroup(group, seed))
  }
  if (parts.includes('lwip')) rows.push(...await runLwip())
  if (parts.includes('captures')) rows.push(...await runCaptures())
  const table = reportTable(rows, await versions(seed))
  console.log(table)
  if (write) await writeBetween('docs/interop.md', 'interop', table)
  const failures = rows.flatMap(row => row.failures)
  for (const failure of failures) progress(`FAILED ${failure}`)
  return failures.length === 0 ? 0 : 1
}

main(process.argv.slice(2)).then(code => process.exit(code), async (error: unknown) => {
  await cleanup.run()
  progress(error instanceof Error ? error.message : String(error))
  process.exit(1)
})
