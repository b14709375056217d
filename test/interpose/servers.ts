/** Real servers on the Linux side: Redis, PostgreSQL, nginx. Tests say why they are skipped where one is not installed. */
import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { PEER_ADDRESS, until, type Cleanup, type Lab, type Process } from '../../tools/netlab/index.js'

const REDIS_PORT = 6399
const POSTGRES_PORT = 5499
const NGINX_PORT = 8099
const POSTGRES_VERSIONS = '/usr/lib/postgresql'

function programOf(name: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
  return found ?? null
}

/** Folder of PostgreSQL's programs as Debian installs them, the newest version's. */
function postgresFolder(): string | null {
  if (!existsSync(POSTGRES_VERSIONS)) return null
  const newest = readdirSync(POSTGRES_VERSIONS).sort((a, b) => Number(b) - Number(a))[0]
  return newest === undefined ? null : join(POSTGRES_VERSIONS, newest, 'bin')
}

function idOf(flag: '-u' | '-g'): number | null {
  const { status, stdout } = spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' })
  return status === 0 ? Number(stdout) : null
}

/** Whether this is root outside of a user namespace: only then a file can be given to another user. */
function mayChangeUser(): boolean {
  return process.getuid?.() === 0 && programOf('runuser') !== null && /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'))
}

/** Why there is no Redis, PostgreSQL, nginx; null if there is. */
export const noRedis = programOf('redis-server') === null ? 'redis-server is not installed' : null
export const noNginx = programOf('nginx') === null ? 'nginx is not installed' : null
export const noPostgres = postgresFolder() === null || idOf('-u') === null ? 'PostgreSQL is not installed'
  : mayChangeUser() ? null : 'PostgreSQL does not run as root, and another user cannot be taken here'

async function answers({ peer }: Lab, port: number): Promise<void> {
  await until(`port ${port} listens`, async () => {
    return (await peer.run('cat', ['/proc/net/tcp'])).includes(`:${port.toString(16).toUpperCase()} 00000000:0000 0A`)
  })
}

/** Starts Redis in the peer's namespace; returns its port. */
export async function startRedis(lab: Lab, folder: string): Promise<number> {
  const args = ['--port', String(REDIS_PORT), '--bind', PEER_ADDRESS, '--protected-mode', 'no', '--save', '', '--dir', folder, '--daemonize', 'no']
  lab.peer.start('redis', { command: programOf('redis-server') ?? '', args })
  await answers(lab, REDIS_PORT)
  return REDIS_PORT
}

/** Starts PostgreSQL in the peer's namespace, as user postgres; returns its port. */
export async function startPostgres(lab: Lab, cleanup: Cleanup): Promise<number> {
  const programs = postgresFolder() ?? ''
  const folder = mkdtempSync(join(tmpdir(), 'tas-postgres-'))
  cleanup.add(folder, () => rmSync(folder, { recursive: true, force: true }))
  chownSync(folder, idOf('-u') ?? 0, idOf('-g') ?? 0)
  const asPostgres = ['-u', 'postgres', '--']
  const data = join(folder, 'data')
  await lab.peer.run('runuser', [...asPostgres, join(programs, 'initdb'), '-D', data, '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C'])
  writeFileSync(join(data, 'pg_hba.conf'), 'host all all 0.0.0.0/0 trust\n')
  const args = ['-D', data, '-h', PEER_ADDRESS, '-p', String(POSTGRES_PORT), '-k', folder, '-F']
  lab.peer.start('postgres', { command: 'runuser', args: [...asPostgres, join(programs, 'postgres'), ...args] })
  await answers(lab, POSTGRES_PORT)
  return POSTGRES_PORT
}

/** Starts nginx in the peer's namespace as a reverse proxy for `target`, with connections kept alive. */
export async function startNginx(lab: Lab, folder: string, target: string): Promise<{ readonly port: number; readonly process: Process }> {
  const place = join(folder, 'nginx')
  mkdirSync(place, { recursive: true })
  // Its workers write to the folder, which is ours alone.
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${place}/${name};`).join(' ')
  writeFileSync(join(place, 'nginx.conf'), `daemon off; user root; pid ${place}/pid; error_log stderr; events {}
http { access_log off; ${temporary} upstream tas { server ${target}; keepalive 8; }
  server { listen ${PEER_ADDRESS}:${NGINX_PORT}; client_max_body_size 0;
    location / { proxy_pass http://tas; proxy_http_version 1.1; proxy_set_header Connection ""; } } }
`)
  const process = lab.peer.start('nginx', { command: programOf('nginx') ?? '', args: ['-c', join(place, 'nginx.conf'), '-p', place, '-e', 'stderr'] })
  await answers(lab, NGINX_PORT)
  return { port: NGINX_PORT, process }
}
