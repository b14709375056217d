import { expect, it } from 'vitest'
import { optionsMarkdown } from '../../service/optiondoc.js'

it('docs/options.md: is what the option table says (run with -u to write it anew)', async () => {
  await expect(optionsMarkdown()).toMatchFileSnapshot('../../docs/options.md')
})
