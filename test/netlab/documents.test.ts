import { expect, test } from 'vitest'
import { insertBetween, writeBetween } from '../../tools/netlab/index.js'

test('marks: there -> the text stands between them, again and again, the rest untouched', () => {
  const page = 'a\n<!-- bench:linkem:begin -->\nold\n<!-- bench:linkem:end -->\nz\n'
  const once = insertBetween(page, 'bench:linkem', 'new')
  expect(once).toBe('a\n<!-- bench:linkem:begin -->\nnew\n<!-- bench:linkem:end -->\nz\n')
  expect(insertBetween(once, 'bench:linkem', 'new')).toBe(once)
})

test('marks: missing, or in the wrong order -> Error that names them; of a document too', async () => {
  expect(() => insertBetween('nothing', 'loss', 'new')).toThrow('<!-- loss:begin -->')
  expect(() => insertBetween('<!-- loss:end --><!-- loss:begin -->', 'loss', 'new')).toThrow('put the marks')
  await expect(writeBetween('LICENSE', 'loss', 'new')).rejects.toThrow('LICENSE: put the marks')
})
