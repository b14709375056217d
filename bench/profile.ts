/** Where each microsecond of a request goes: `npm run bench:profile`. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { drawBars } from '../experiments/plots/bars.js'
import { packageRoot, type Cleanup, type Lab } from '../tools/netlab/index.js'
import { SERVER_TITLES, type ServerName } from './contenders.js'
import { createBenchLab } from './lab.js'
import { parseNames } from './options.js'
import { profileChart } from './profile/figures.js'
import { profileSeconds, profileServer, type Profile, type Scene } from './profile/measure.js'
import { profilePage } from './profile/page.js'
import { perfRefused } from './profile/perf.js'
import { BenchUsageError, machineText, parseCount, runProgram, sayAs, withCleanup } from './program.js'
import { missNotes, type Miss } from './results.js'
import { durationText } from './schedule.js'

const SERVERS: readonly ServerName[] = ['tas', 'tasEmbedded', 'nodeNet', 'cEpoll']
const NODE_SERVERS: readonly ServerName[] = ['tas', 'tasEmbedded', 'nodeNet']
const MANY = { kind: 'native', mode: 'echo', connections: 64 } as const
const SCENES: readonly Scene[] = [
  { title: '64 connections', load: MANY, servers: SERVERS },
  { title: '1 connection', load: { ...MANY, connections: 1 }, servers: SERVERS },
  { title: 'node:net echo, unmodified, 64 connections', load: MANY, servers: NODE_SERVERS, program: 'net' },
  { title: 'node:http hello, unmodified, 64 connections', load: { kind: 'wrk', scheme: 'http', connections: 64 }, servers: NODE_SERVERS, program: 'http' },
  {
    title: 'node:tls echo, unmodified, 64 connections', load: { kind: 'wrk', scheme: 'https', connections: 64, isEcho: true }, servers: NODE_SERVERS,
    program: 'tls',
  },
  {
    title: 'node:net, unmodified: open, one request, close; 16 at a time', load: { ...MANY, mode: 'connect', connections: 16 }, servers: NODE_SERVERS,
    program: 'net',
  },
]
const DEFAULTS = { seconds: 10, warmup: 5 } as const
const QUICK = { seconds: 2, warmup: 2 } as const
const PLOT = 'profile.svg'
const say = sayAs('bench:profile')

/** How long all of it takes. */
function allText(times: { readonly seconds: number; readonly warmup: number }): string {
  return durationText(profileSeconds(times) * SCENES.flatMap(({ servers }) => servers).length)
}

const HELP = `usage: npm run bench:profile -- [options]

Takes samples with perf of servers under 64 byte echo, with many connections and with one, and of programs that know nothing of TAS (node:net,
node:http, node:tls, connections that open and close), says what the CPU time of a request was spent on, and writes docs/profile.md and its
plot. Needs root, perf and wrk.
Takes about ${allText(DEFAULTS)}, with --quick ${allText(QUICK)}.

  --quick          ${QUICK.seconds} seconds after ${QUICK.warmup}, for a first look; writes nothing unless --out is given
  --seconds S      of samples (${DEFAULTS.seconds})
  --warmup S       before them (${DEFAULTS.warmup})
  --contenders A,B,...
                   ${SERVERS.join(', ')} (all)
  --out FOLDER     page and plot go there, and docs stays as it is
  --help           this text
`

interface ProfileOptions {
  readonly seconds: number
  readonly warmup: number
  readonly contenders: readonly ServerName[]
  readonly quick: boolean
  readonly out: string | null
}

function split(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean', default: false }, seconds: { type: 'string' }, warmup: { type: 'string' }, contenders: { type: 'string' },
        out: { type: 'string' }, help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    throw new BenchUsageError(error instanceof Error ? error.message.split('. ')[0] : String(error))
  }
}

function readOptions(args: readonly string[]): ProfileOptions | null {
  const values = split(args)
  if (values.help) return null
  const times = values.quick ? QUICK : DEFAULTS
  return {
    seconds: parseCount('seconds', values.seconds ?? String(times.seconds), 1, 600),
    warmup: parseCount('warmup', values.warmup ?? String(times.warmup), 0, 60),
    contenders: parseNames('contenders', values.contenders, SERVERS), quick: values.quick, out: values.out ?? null,
  }
}

interface Profiles {
  readonly profiles: readonly Profile[]
  readonly notes: readonly string[]
  readonly failed: readonly Miss[]
}

async function measureAll(options: ProfileOptions, cleanup: Cleanup): Promise<Profiles> {
  const { lab, folder } = await createBenchLab('tas-profile', cleanup)
  const refused = perfRefused(folder)
  if (refused !== null) throw new Error(refused)
  const { seconds, warmup, contenders } = options
  const profiles: Profile[] = []
  const failed: Miss[] = []
  const turns = SCENES.flatMap((scene) => scene.servers.filter((server) => contenders.includes(server)).map((server) => [scene, server] as const))
  for (const [scene, server] of turns) {
    if (cleanup.interrupted) break
    const what = `${scene.title}, ${SERVER_TITLES[server]}`
    try {
      const profile = await profileServer(server, scene, { lab, cleanup, folder, seconds, warmup })
      profiles.push(profile)
      say(`${what}: ${profile.cpuUsPerRequest.toFixed(2)} us of CPU for each request`)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      failed.push({ what, reason })
      say(`${what}: not counted: ${reason}`)
    }
  }
  return { profiles, failed, notes: [...missNotes({ leftOut: [], failed }), ...await conditionsOf(options, lab)] }
}

async function conditionsOf({ seconds, warmup }: ProfileOptions, { peer }: Lab): Promise<string[]> {
  const congestion = await peer.readSysctl('net.ipv4.tcp_congestion_control')
  return [
    `${new Date().toISOString().slice(0, 10)}, ${machineText()}, veth, MTU 1500, congestion control of Linux: ${congestion}`,
    `Samples of ${seconds} s after ${warmup} s of load, one run; client bound to the last CPU, nothing else; TAS with default options; `
      + 'Node with --perf-basic-prof',
  ]
}

/** Where page and plot go, and how the page names the plot. */
function placesOf({ out }: ProfileOptions): { readonly page: string; readonly plot: string; readonly link: string } {
  if (out !== null) return { page: join(out, 'profile.md'), plot: join(out, PLOT), link: PLOT }
  const docs = join(packageRoot, 'docs')
  return { page: join(docs, 'profile.md'), plot: join(docs, 'bench', PLOT), link: `bench/${PLOT}` }
}

async function write({ profiles, notes }: Profiles, options: ProfileOptions): Promise<void> {
  const { page, plot, link } = placesOf(options)
  await mkdir(dirname(plot), { recursive: true })
  await writeFile(plot, await drawBars(profileChart(profiles)))
  await writeFile(page, profilePage(profiles, notes, link))
  say(`wrote ${page}`)
}

await runProgram('bench:profile', async () => {
  const options = readOptions(process.argv.slice(2))
  if (options === null) {
    process.stdout.write(HELP)
    return 0
  }
  const measured = await withCleanup(say, (cleanup) => measureAll(options, cleanup))
  const { profiles, notes, failed } = measured
  if (profiles.length > 0 && (options.out !== null || !options.quick)) await write(measured, options)
  console.log(profilePage(profiles, notes, placesOf(options).link))
  return failed.length > 0 || profiles.length === 0 ? 1 : 0
})
