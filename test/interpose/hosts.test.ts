/** Programs on TAS and plain ones on another host, over the wire; and what happens when TAS ends and comes back. */
import { expect, it } from 'vitest'
import { KERNEL_ADDRESS, PEER_ADDRESS, startService, TAS_ADDRESS, type Namespace } from '../../tools/netlab/index.js'
import { describeHosts } from '../e2e/harness.js'
import { EMBEDDED_ADDRESS, embeddedTas, INTERPOSE, resultsOf, runProgram, scenario, startProgram, type OnTas } from './programs.js'

interface Side {
  readonly namespace: Namespace
  readonly address: string
  /** Null for plain Node. */
  readonly onTas: OnTas | null
}

describeHosts('programs on two hosts', {}, (hosts) => {
  const sides = (): { onService: Side; onOwn: Side; plain: Side; peer: Side } => {
    const { lab, service } = hosts()
    return {
      onService: { namespace: lab.tas, address: TAS_ADDRESS, onTas: service },
      onOwn: { namespace: lab.tas, address: EMBEDDED_ADDRESS, onTas: embeddedTas(lab) },
      plain: { namespace: lab.tas, address: KERNEL_ADDRESS, onTas: null },
      peer: { namespace: lab.peer, address: PEER_ADDRESS, onTas: null },
    }
  }

  const seen = async (server: Side, client: Side): Promise<unknown> => {
    const program = startProgram(server.namespace, hosts().cleanup, scenario('service'), {}, server.onTas)
    const ports = await program.line(/^\[/)
    const env = { HOST: server.address, PORTS: ports }
    const results = resultsOf(await runProgram(client.namespace, scenario('client'), { env }, client.onTas))
    await program.stop()
    return [...results.values()]
  }

  it('server on TAS, a service or its own, plain client elsewhere -> as from a plain server', async () => {
    const { onService, onOwn, plain, peer } = sides()
    const expected = await seen(plain, peer)
    expect(await seen(onService, peer)).toEqual(expected)
    expect(await seen(onOwn, peer), 'its own').toEqual(expected)
  })

  it('client on TAS, a service or its own, plain server elsewhere -> as for a plain client', async () => {
    const { onService, onOwn, plain, peer } = sides()
    const expected = await seen(peer, plain)
    expect(await seen(peer, onService)).toEqual(expected)
    expect(await seen(peer, onOwn), 'its own').toEqual(expected)
  })

  const churn = async (server: Side, client: Side): Promise<unknown> => {
    const env = {
      HOST: server.address, CHURN_CLIENTS: `/run/netns/${client.namespace.name}`, CHURN_CLIENT_OPTIONS: client.onTas === null ? '' : `--import=${INTERPOSE}`,
      ...client.onTas?.env,
    }
    const results = resultsOf(await runProgram(server.namespace, scenario('churnpeers'), { env }, server.onTas))
    return [...results.values()].filter(({ error, seen }) => error !== null || (seen as unknown[]).length > 0)
  }

  it('many connections that do whatever a seed says -> each closes at both ends, and gets what was sent to it', async () => {
    const { onService, onOwn, plain, peer } = sides()
    expect(await churn(plain, peer), 'plain').toEqual([])
    for (const tas of [onService, onOwn]) {
      expect(await churn(tas, peer), `server on ${tas.address}`).toEqual([])
      expect(await churn(peer, tas), `clients on ${tas.address}`).toEqual([])
    }
  })

  it('TAS ends and comes back -> errors of a dead network, then everything as before', async () => {
    const { lab, folder, cleanup, service } = hosts()
    // It has the address that the next one is to have.
    await service.stop()
    const first = await startService(lab, { folder })
    const program = startProgram(lab.tas, cleanup, scenario('survivor'), { env: { HOST: TAS_ADDRESS } }, first)
    await program.line(/^up$/)
    await first.stop()
    await program.line(/^client read ECONNRESET$/)
    await program.line(/^client connect ECONNREFUSED$/)
    program.lines.length = 0
    const second = await startService(lab, { folder, socket: first.socket })
    await program.line(/^up$/)
    expect(program.exit).toBeNull()
    await program.stop()
    await second.stop()
  })

  it('no TAS -> one warning, and the kernel serves', async () => {
    const { lab, folder } = hosts()
    const env = { HOST: '127.0.0.1', TAS_SOCKET: `${folder}/nobody.sock`, NODE_OPTIONS: `--import ${INTERPOSE}` }
    const results = resultsOf(await runProgram(lab.tas, scenario('net'), { env, args: ['echo: events in order'] }))
    expect([...results.values()].map(({ error }) => error)).toEqual([null])
  })
})
