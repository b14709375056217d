/** What people run, on plain Node and on TAS: npm packages, and real servers on the Linux side. */
import { describe, expect, it } from 'vitest'
import { KERNEL_ADDRESS, PEER_ADDRESS, TAS_ADDRESS, type Service } from '../../tools/netlab/index.js'
import { describeHosts } from '../e2e/harness.js'
import { EMBEDDED_ADDRESS, embeddedTas, nodes, resultsOf, runProgram, scenario, startProgram, type OnTas } from './programs.js'
import { noNginx, noPostgres, noRedis, startNginx, startPostgres, startRedis } from './servers.js'

const PROGRAM_MS = 200_000
/** Without TAS a client of Linux would be served by the kernel, and nobody would see it. Means nothing on plain Node. */
const ONLY_TAS = { TASJS_INTERPOSE_CONNECT: `tas ${PEER_ADDRESS}` }
const because = (reason: string | null): string => (reason === null ? '' : ` (skipped: ${reason})`)

describeHosts('packages', {}, (hosts) => {
  const run = async (name: string, node: string, onTas: OnTas | null, env: Record<string, string>): Promise<unknown[]> => {
    return [...resultsOf(await runProgram(hosts().lab.tas, scenario(name), { node, env }, onTas)).values()]
  }

  /** All must end well, and show the same: on plain Node, on a service, on a TAS of the program's own. */
  const compare = async (name: string, node: string, envFor: (host: string) => Record<string, string>): Promise<void> => {
    const plain = await run(name, node, null, envFor(KERNEL_ADDRESS))
    expect(plain.length).toBeGreaterThan(0)
    for (const result of plain) expect(result).toMatchObject({ error: null })
    expect(await run(name, node, hosts().service, envFor(TAS_ADDRESS))).toEqual(plain)
    expect(await run(name, node, embeddedTas(hosts().lab), envFor(EMBEDDED_ADDRESS)), 'a TAS of its own').toEqual(plain)
  }

  describe.each([...nodes])('$name', ({ path }) => {
    it('express, fastify, undici, ws, socket.io, grpc-js, autocannon -> the same', async () => {
      await compare('packages', path, (HOST) => ({ HOST }))
    }, PROGRAM_MS)
  })

  it.skipIf(noRedis !== null)(`ioredis with Redis on Linux -> the same${because(noRedis)}`, async () => {
    const env = { HOST: PEER_ADDRESS, ...ONLY_TAS, REDIS_PORT: String(await startRedis(hosts().lab, hosts().folder)) }
    for (const { path } of nodes) await compare('databases', path, () => env)
  }, PROGRAM_MS)

  it.skipIf(noPostgres !== null)(`pg with PostgreSQL on Linux -> the same${because(noPostgres)}`, async () => {
    const env = { HOST: PEER_ADDRESS, ...ONLY_TAS, POSTGRES_PORT: String(await startPostgres(hosts().lab, hosts().cleanup)) }
    for (const { path } of nodes) await compare('databases', path, () => env)
  }, PROGRAM_MS)

  /** What a client of nginx sees of the web server of scenarios/service.ts behind it. */
  const throughNginx = async (address: string, onTas: Service | null): Promise<unknown> => {
    const { lab, folder, cleanup } = hosts()
    const server = startProgram(lab.tas, cleanup, scenario('service'), {}, onTas)
    const [, webPort] = JSON.parse(await server.line(/^\[/)) as number[]
    const nginx = await startNginx(lab, folder, `${address}:${webPort}`)
    const output = await lab.peer.run('env', [
      `HOST=${PEER_ADDRESS}`, `PORT=${nginx.port}`, process.execPath, scenario('proxied'),
    ])
    await nginx.process.stop()
    await server.stop()
    return JSON.parse(output)
  }

  it.skipIf(noNginx !== null)(`nginx as reverse proxy of a server on TAS -> as of a plain one${because(noNginx)}`, async () => {
    const plain = await throughNginx(KERNEL_ADDRESS, null)
    expect(plain).toMatchObject([true, true])
    expect(await throughNginx(TAS_ADDRESS, hosts().service)).toEqual(plain)
  }, PROGRAM_MS)
})
