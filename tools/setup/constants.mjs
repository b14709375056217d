/**
 * Writes the values of a bundle's constants where they are used, and leaves the rest of it as it is (docs/decisions/0007).
 *
 *   node tools/setup/constants.mjs BUNDLE...
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { minify } from 'terser'

for (const path of process.argv.slice(2)) {
  const { code, map } = await minify(readFileSync(path, 'utf8'), {
    module: true,
    mangle: false,
    compress: { defaults: false, toplevel: true, reduce_vars: true, evaluate: true, unused: true },
    format: { beautify: true },
    sourceMap: { content: readFileSync(`${path}.map`, 'utf8'), url: `${basename(path)}.map` },
  })
  writeFileSync(path, code)
  writeFileSync(`${path}.map`, map)
}
