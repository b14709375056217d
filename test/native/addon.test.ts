import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type * as addonModule from '../../native/addon.js'

let root = ''
beforeEach(() => { root = mkdtempSync(join(tmpdir(), 'tn-addon-')) })
afterEach(() => { rmSync(root, { recursive: true }) })

/** The loader, copied to `folder` of an otherwise empty tree. */
async function loaderIn(folder: string): Promise<typeof addonModule> {
  mkdirSync(join(root, folder), { recursive: true })
  mkdirSync(join(root, 'build', 'Release'), { recursive: true })
  const copy = join(root, folder, 'addon.ts')
  copyFileSync(fileURLToPath(new URL('../../native/addon.ts', import.meta.url)), copy)
  return await import(/* @vite-ignore */ pathToFileURL(copy).href) as typeof addonModule
}

test('not built -> NativeError that says what to run', async () => {
  const { addon, NativeError } = await loaderIn('native')
  expect(() => addon()).toThrow(NativeError)
  expect(() => addon()).toThrow(expect.objectContaining({ code: 'ERR_NATIVE_NOT_BUILT', message: expect.stringContaining('npm run build') }))
})

test.each(['native', 'dist/native'])('broken file, loader in %s -> found, NativeError that says what to run', async (folder) => {
  const { addon } = await loaderIn(folder)
  writeFileSync(join(root, 'build', 'Release', 'tasjs.node'), 'not an ELF file')
  expect(() => addon()).toThrow(expect.objectContaining({ code: 'ERR_NATIVE_LOAD', message: expect.stringContaining('npm rebuild tasjs') }))
})
