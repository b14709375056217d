/** Programs on TAS and plain ones on another host, over the wire; and what happens when TAS ends and comes back. */
import { expect, it } from 'vitest'
import { KERNEL_ADDRESS, PEER_ADDRESS, startService, TAS_ADDRESS, type Namespace, type Service } from '../../tools/netlab/index.js'
import { describeHosts } from '../e2e/harness.js'
import { INTERPOSE, resultsOf, runProgram, scenario, startProgram } from './programs.js'

interface Side {
  readonly namespace: Namespace
  readonly address: string
  /** Null for plain Node. */
  readonly service: Service | null
}

describeHosts('programs on two hosts', {}, (hosts) => {
  const sides = (): { onTas: Side; plain: Side; peer: Side } => {
    const { lab, service } = hosts()
    return {
      onTas: { namespace: lab.tas, address: TAS_ADDRESS, service },
      plain: { namespace: lab.tas, address: KERNEL_ADDRESS, service: null },
      peer: { namespace: lab.peer, address: PEER_ADDRESS, service: null },
    }
  }

  const seen = async (server: Side, client: Side): Promise<unknown> => {
    const program = startProgram(server.namespace, hosts().cleanup, scenario('service'), {}, server.service)
    const ports = await program.line(/^\[/)
    const env = { HOST: server.address, PORTS: ports }
    const results = resultsOf(await runProgram(client.namespace, scenario('client'), { env }, client.service))
    await program.stop()
    return [...results.values()]
  }

  it('server on TAS, plain client elsewhere -> as from a plain server', async () => {
    const { onTas, plain, peer } = sides()
    expect(await seen(onTas, peer)).toEqual(await seen(plain, peer))
  })

  it('client on TAS, plain server elsewhere -> as for a plain client', async () => {
    const { onTas, plain, peer } = sides()
    expect(await seen(peer, onTas)).toEqual(await seen(peer, plain))
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
