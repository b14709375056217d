import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { decide, wordOf, maskOf, parseRule, parseRules } from '../../lib/interpose/rules.js'
import { Router } from '../../lib/interpose/routing.js'
import { readSettings, SettingError } from '../../lib/interpose/settings.js'
import type { Networks } from '../../lib/tas/index.js'

const TEN = 0x0a000000

describe('rule', () => {
  it.each([
    ['tas *', { isTas: true, ip: 0, mask: 0, firstPort: 0, lastPort: 65_535 }],
    ['kernel 10.0.0.5:5432', { isTas: false, ip: TEN + 5, mask: -1, firstPort: 5432, lastPort: 5432 }],
    [' tas  10.1.2.3/8:80-90 ', { isTas: true, ip: TEN, mask: maskOf(8), firstPort: 80, lastPort: 90 }],
    ['tas 0.0.0.0/0:1', { isTas: true, ip: 0, mask: 0, firstPort: 1, lastPort: 1 }],
  ])('%j -> parsed', (text, rule) => {
    expect(parseRule(text)).toEqual(rule)
  })

  it.each(['', 'tas', 'both *', 'tas 10.0.0', 'tas 10.0.0.256', 'tas 10.0.0.0/33', 'tas *:90-80', 'tas *:70000', 'tas ::1', 'kernel *:'])(
    '%j -> RangeError with an example', (text) => {
      expect(() => parseRule(text)).toThrow(/want tas\|kernel ADDRESS.*as in/)
    })

  it('list: first that fits decides; none -> null', () => {
    const rules = parseRules('kernel 10.0.0.5:5432, tas 10.0.0.0/8:5000-6000')
    expect([decide(rules, TEN + 5, 5432), decide(rules, TEN + 6, 5432), decide(rules, TEN + 5, 80)]).toEqual([false, true, null])
    expect(parseRules(' , ')).toEqual([])
  })

  it.each([['::ffff:10.0.0.1', TEN + 1], ['10.0.0.1', TEN + 1], ['::1', null], ['x', null], ['1.2.3', null]])('address %s -> %s', (text, word) => {
    expect(wordOf(text)).toBe(word)
  })
})

describe('settings', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tas-settings-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const file = (content: string): string => {
    const path = join(folder, 'config.json')
    writeFileSync(path, content)
    return path
  }

  it('nothing set -> defaults', () => {
    expect(readSettings({})).toEqual({ connect: [], listen: [], kernelListen: 'loopback', whenMissing: 'kernel', embedded: null })
  })

  it('file and environment -> the environment first', () => {
    const path = file(JSON.stringify({ connect: ['kernel *:1', 'tas *:2'], kernelListen: 'all', missing: 'stop' }))
    const settings = readSettings({ TASJS_INTERPOSE_CONFIG: path, TASJS_INTERPOSE_KERNEL_LISTEN: 'none' })
    expect([settings.connect.length, settings.kernelListen, settings.whenMissing]).toEqual([2, 'none', 'stop'])
  })

  it('options of an embedded TAS: spaces between them or a list -> arguments; nothing -> none', () => {
    const args = ['--nic=eth0', '--ip-addr=10.0.0.1/24', '--cc=./my own.js']
    expect(readSettings({ TASJS_INTERPOSE_EMBEDDED: `  ${args.join(' \n ')} ` }).embedded).toEqual(args)
    expect(readSettings({ TASJS_INTERPOSE_CONFIG: file(JSON.stringify({ embedded: args })) }).embedded).toEqual(args)
    expect(readSettings({ TASJS_INTERPOSE_EMBEDDED: ' ' }).embedded).toBeNull()
  })

  it.each([
    ['a wrong choice', { TASJS_INTERPOSE_MISSING: 'maybe' }, 'TASJS_INTERPOSE_MISSING: "maybe": want kernel, stop'],
    ['a wrong rule', { TASJS_INTERPOSE_LISTEN: 'tas here' }, 'TASJS_INTERPOSE_LISTEN: "tas here": want tas|kernel'],
    ['a file that is not there', { TASJS_INTERPOSE_CONFIG: '/nowhere.json' }, 'TASJS_INTERPOSE_CONFIG: /nowhere.json: ENOENT'],
  ])('%s -> one line that names it', (_, env, message) => {
    expect(() => readSettings(env)).toThrow(SettingError)
    expect(() => readSettings(env)).toThrow(message)
  })

  it.each([['[]', 'want a JSON object'], ['{"colour":"red"}', '"colour" is no setting'], ['{"listen":[1]}', 'listen: want a text'], ['{', 'JSON']])(
    'file %s -> SettingError', (content, message) => {
      expect(() => readSettings({ TASJS_INTERPOSE_CONFIG: file(content) })).toThrow(message)
    })
})

describe('router', () => {
  const networks: Networks = { addresses: [{ ip: TEN + 1, prefix: 24 }], routes: [{ ip: 0x0b000000, prefix: 8 }] }
  const router = (env = {}, reached: Networks | null = networks): Router => {
    return new Router(readSettings(env), { networks: () => reached, isThere: () => reached !== null })
  }

  it.each([
    ['10.0.0.1', true], ['10.0.0.77', true], ['::ffff:10.0.0.77', true], ['11.1.2.3', true], ['10.0.1.1', false], ['127.0.0.1', false],
    ['0.0.0.0', false], ['::1', false],
  ])('connect to %s, no rules -> on TAS: %s', (address, isTas) => {
    expect(router().connects(address, 80)).toBe(isTas)
  })

  it.each([['', true], ['0.0.0.0', true], ['::', true], ['10.0.0.1', true], ['10.0.0.2', false], ['127.0.0.1', false], ['::1', false]])(
    'listen on %j, no rules -> on TAS: %s', (address, isTas) => {
      expect(router().listens(address, 80)).toBe(isTas)
    })

  it('rules -> before networks', () => {
    const { connects, listens } = { connects: router({ TASJS_INTERPOSE_CONNECT: 'kernel 10.0.0.9,tas 12.0.0.0/8:80' }),
      listens: router({ TASJS_INTERPOSE_LISTEN: 'kernel *:22' }) }
    expect([connects.connects('10.0.0.9', 1), connects.connects('12.1.1.1', 80), connects.connects('12.1.1.1', 81)]).toEqual([false, true, false])
    expect([listens.listens('', 22), listens.listens('10.0.0.1', 22), listens.listens('', 23)]).toEqual([false, false, true])
  })

  it('a TAS that is made when it is first needed -> made for what it serves alone', () => {
    let made = 0
    const lazy = new Router(readSettings({}), { networks: () => networks, isThere: () => ++made > 0 })
    expect([lazy.connects('10.0.1.1', 80), lazy.connects('127.0.0.1', 80), lazy.mayConnect(), lazy.listens('10.0.0.2', 80)])
      .toEqual([false, false, true, false])
    expect(made).toBe(0)
    expect([lazy.connects('10.0.0.77', 80), made]).toEqual([true, 1])
  })

  it('a TAS that cannot be made -> connections are the kernel\'s', () => {
    const never = new Router(readSettings({}), { networks: () => networks, isThere: () => false })
    expect([never.connects('10.0.0.77', 80), never.connects('11.1.2.3', 80)]).toEqual([false, false])
  })

  it('local address: one of TAS -> TAS; another -> kernel', () => {
    expect([router().connects('10.0.0.2', 1, '10.0.0.1'), router().connects('10.0.0.2', 1, '10.0.0.3')]).toEqual([true, false])
    expect(router().connects('10.0.0.2', 1, '0.0.0.0')).toBe(true)
  })

  it('no service -> the kernel, unless a rule says TAS', () => {
    const alone = router({ TASJS_INTERPOSE_CONNECT: 'tas 10.0.0.5' }, null)
    expect([alone.connects('10.0.0.1', 1), alone.connects('10.0.0.5', 1)]).toEqual([false, true])
    expect([alone.listens('', 1), alone.mayConnect()]).toEqual([false, true])
  })
})
