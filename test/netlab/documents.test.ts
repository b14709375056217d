import { expect, test } from 'vitest'
import { insertBetween, markdownTable, textBetween, writeBetween } from '../../tools/netlab/index.js'

test('marks: there -> the text stands between them, again and again, the rest untouched', () => {
  const page = 'a\n<!-- bench:linkem:begin -->\nold\n<!-- bench:linkem:end -->\nz\n'
  const once = insertBetween(page, 'bench:linkem', 'new')
  expect(once).toBe('a\n<!-- bench:linkem:begin -->\nnew\n<!-- bench:linkem:end -->\nz\n')
  expect(insertBetween(once, 'bench:linkem', 'new')).toBe(once)
  expect(textBetween(once, 'bench:linkem')).toBe('new')
})

test('marks: missing, or in the wrong order -> Error that names them; of a document too', async () => {
  expect(() => insertBetween('nothing', 'loss', 'new')).toThrow('<!-- loss:begin -->')
  expect(() => insertBetween('<!-- loss:end --><!-- loss:begin -->', 'loss', 'new')).toThrow('put the marks')
  await expect(writeBetween('LICENSE', 'loss', 'new')).rejects.toThrow('LICENSE: put the marks')
})

test('a table -> numbers to the right, notes below', () => {
  expect(markdownTable(['name', 'rate'], [['a', '1.5 %'], ['b', '20 ±3%']], ['as measured', 'here'])).toBe(
    '| name | rate |\n| --- | --: |\n| a | 1.5 % |\n| b | 20 ±3% |\n\nas measured  \nhere')
})
