/** The harness itself: two peer agents, the Linux kernel on both ends. */
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cleanup, compiled, createLab, KERNEL_ADDRESS, namespacesRefused, uniqueName } from '../../tools/netlab/index.js'
import { Peer } from './peer.js'

const reason = existsSync(compiled('test/e2e/peeragent.js')) ? await namespacesRefused() : 'not built: npm run build'

describe.skipIf(reason !== null)(`peer agents${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  const cleanup = new Cleanup()
  let near: Peer
  let far: Peer
  let port: number

  beforeAll(async () => {
    const lab = await createLab({ name: uniqueName('tas-peer') }, cleanup)
    near = Peer.start(lab.peer)
    far = Peer.start(lab.tas)
    port = await far.call('listen', 0)
  })
  afterAll(async () => { expect(await cleanup.run()).toEqual([]) })

  async function open(): Promise<[number, number]> {
    return [await near.call('connect', KERNEL_ADDRESS, port), await far.call('accept', port)]
  }

  test('write and read -> the same bytes', async () => {
    const [here, there] = await open()
    await near.call('write', here, Buffer.from('hello'))
    expect(Buffer.from(await far.call('read', there, 5)).toString()).toBe('hello')
  })

  test('random bytes both ways -> hashes equal', async () => {
    const [here, there] = await open()
    const len = 3 << 20
    const [sent, received] = await Promise.all([near.call('sendRandom', here, len, 7), far.call('readHash', there, len)])
    expect(received).toBe(sent)
  })

  test('half-close -> the other side still sends; then both end', async () => {
    const [here, there] = await open()
    await near.call('end', here)
    await far.call('ended', there)
    await far.call('write', there, Buffer.from('late'))
    expect(Buffer.from(await near.call('read', here, 4)).toString()).toBe('late')
    await far.call('end', there)
    expect([await near.call('closed', here), await far.call('closed', there)]).toEqual(['', ''])
  })

  test('reset -> the other side gets ECONNRESET', async () => {
    const [here, there] = await open()
    await near.call('reset', here)
    expect(await far.call('closed', there)).toBe('ECONNRESET')
  })

  test('read beyond the end -> EOF; closed port -> ECONNREFUSED', async () => {
    const [here, there] = await open()
    await near.call('end', here)
    await expect(far.call('read', there, 1)).rejects.toMatchObject({ code: 'EOF' })
    await expect(near.call('connect', KERNEL_ADDRESS, 9)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('nobody reads -> the writer waits, then everything arrives', async () => {
    const [here, there] = await open()
    const len = 32 << 20
    const sent = near.call('sendRandom', here, len, 9)
    await expect.poll(() => near.call('unsent', here)).toBeGreaterThan(0)
    expect(await far.call('readHash', there, len)).toBe(await sent)
  })
})
