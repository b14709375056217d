/** A real tas and the Linux kernel, joined by a veth link, for the tests of one file. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import {
  Cleanup, compiled, createLab, missing, namespacesRefused, nativeProgram, startService, tapRefused, uniqueName, type Lab,
  type LabOptions, type Service,
} from '../../tools/netlab/index.js'
import { Peer } from './peer.js'
import { TasSide } from './tasside.js'

async function findReason(): Promise<string | null> {
  const unbuilt = missing([compiled('service/main.js'), compiled('test/e2e/peeragent.js'), nativeProgram('loadgen')])
  return unbuilt.length > 0 ? 'not built: npm run build' : namespacesRefused()
}

const reason = await findReason()
const noTap = reason ?? await tapRefused()

/** Two hosts. Filled in before the first test. */
export interface Hosts {
  readonly cleanup: Cleanup
  readonly lab: Lab
  readonly folder: string
  readonly service: Service
  /** The Linux kernel. */
  readonly peer: Peer
  /** A program on TAS. */
  readonly tas: TasSide
}

export interface HostOptions extends Partial<Omit<LabOptions, 'name'>> {
  /** More options of tas. */
  readonly tasArgs?: readonly string[]
  /** Value of --nic instead of the link's end. */
  readonly nic?: string
  /** The test makes TAP devices: skipped where that is not permitted. */
  readonly needsTap?: boolean
  /** Which kernel is the peer: that of the link's other end if left out. */
  readonly peerIn?: 'tas' | 'peer'
  /** Changes the peer before anything is started. */
  prepare?(lab: Lab): Promise<void>
  /** Changes what there is once tas is ready. */
  prepareDevices?(lab: Lab): Promise<void>
}

async function start(options: HostOptions, cleanup: Cleanup): Promise<Hosts> {
  const folder = await mkdtemp(join(tmpdir(), 'tas-e2e-'))
  cleanup.add(folder, () => rm(folder, { recursive: true, force: true }))
  const mtu = options.mtu ?? 1500
  const lab = await createLab({ name: uniqueName('tas-e2e'), mtu }, cleanup)
  await options.prepare?.(lab)
  const nic = options.nic === undefined ? {} : { nic: options.nic }
  const service = await startService(lab, { folder, args: options.tasArgs ?? [], ...nic })
  await options.prepareDevices?.(lab)
  const tas = new TasSide(service.socket)
  cleanup.add('program on TAS', () => tas.close())
  return { cleanup, lab, folder, service, peer: Peer.start(lab[options.peerIn ?? 'peer']), tas }
}

/**
 * A group of tests that share two hosts. `hosts()` gives them. Skipped, with the reason in its name, where network
 * namespaces are not permitted. What was made is removed afterwards, and nothing may be left.
 */
export function describeHosts(name: string, options: HostOptions, body: (hosts: () => Hosts) => void): void {
  const why = options.needsTap === true ? noTap : reason
  describe.skipIf(why !== null)(why === null ? name : `${name} (skipped: ${why})`, () => {
    const cleanup = new Cleanup()
    let hosts: Hosts | null = null
    beforeAll(async () => { hosts = await start(options, cleanup) })
    afterAll(async () => { expect(await cleanup.run()).toEqual([]) })
    body(() => {
      if (hosts === null) throw new Error('hosts are used before the first test')
      return hosts
    })
  })
}
