import { expect, test } from 'vitest'
import { Cleanup } from '../../tools/netlab/cleanup.js'
import { createEmulatedLab } from '../../tools/netlab/emulated.js'
import { namespacesRefused, uniqueName } from '../../tools/netlab/namespaces.js'
import { compiled, missing } from '../../tools/netlab/paths.js'
import { run } from '../../tools/netlab/processes.js'

const reason = missing([compiled('tools/linkem/main.js')]).length > 0 ? 'not built: npm run build' : await namespacesRefused()
const why = reason === null ? '' : ` (skipped: ${reason})`

/** Namespaces whose names begin so. */
async function namespaces(name: string): Promise<string[]> {
  return (await run('ip', ['netns', 'list'])).split('\n').map((line) => line.split(' ')[0]).filter((found) => found.startsWith(name))
}

test.skipIf(reason !== null)(`emulated lab: clean-up while the link is up -> nothing left${why}`, async () => {
  const cleanup = new Cleanup()
  const name = uniqueName('tas-emulated')
  const lab = await createEmulatedLab({ name, mtu: 1400 }, cleanup)
  expect((await namespaces(name)).sort()).toEqual([`${name}-link`, `${name}-peer`, `${name}-tas`])
  const { process } = lab
  expect(await cleanup.run()).toEqual([])
  expect(process.exit).not.toBeNull()
  expect(await namespaces(name)).toEqual([])
})

test.skipIf(reason !== null)(`emulated lab: options that tas-linkem refuses -> its line, nothing left${why}`, async () => {
  const cleanup = new Cleanup()
  const name = uniqueName('tas-emulated')
  await expect(createEmulatedLab({ name, link: ['--loss=2'] }, cleanup)).rejects.toThrow(/--loss: "2": want a probability/)
  expect(await cleanup.run()).toEqual([])
  expect(await namespaces(name)).toEqual([])
})
