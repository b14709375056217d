import { describe, expect, it } from 'vitest'
import type { Paint } from '../../tools/control/terminal.js'
import { formatScale, formatScaleJson } from '../../tools/scale/format.js'
import { parseScaleOptions } from '../../tools/scale/options.js'

const STATE = {
  op: 'scale', auto: false, active: 2,
  workers: [{ groups: 64, flows: 1234, load: 0.956 }, { groups: 64, flows: 9, load: 0.1 }, { groups: 0, flows: 0, load: 0 }],
} as const

const PLAIN: Paint = { heading: (text) => text, dim: (text) => text }

describe('scale: options', () => {
  it.each([
    [[], {}, { socket: '/run/tas.sock', json: false, workers: undefined }],
    [['2'], { TAS_SOCKET: '/tmp/a' }, { socket: '/tmp/a', json: false, workers: 2 }],
    [['--json', '--socket=/tmp/b', 'auto'], { TAS_SOCKET: '/tmp/a' }, { socket: '/tmp/b', json: true, workers: 0 }],
  ])('%j, environment %j -> %j', (argv, env, options) => {
    expect(parseScaleOptions(argv, env)).toEqual(options)
  })

  it.each([
    [['0'], '"0": want a number of workers from 1 to 16, or auto'],
    [['17'], '"17": want a number of workers from 1 to 16, or auto'],
    [['two'], '"two": want a number of workers from 1 to 16, or auto'],
    [['1', '2'], 'unexpected argument; see tas scale --help'],
    [['--bogus'], '--bogus: unknown option; see tas scale --help'],
    [['--socket='], '--socket: "": want a path, as in /run/tas.sock'],
  ])('%j -> %s', (argv, message) => {
    expect(() => parseScaleOptions(argv, {})).toThrow(new Error(message))
  })
})

describe('scale: output', () => {
  it('text -> a line for each worker, numbers below each other', () => {
    expect(formatScale(STATE, PLAIN)).toBe([
      '2 of 3 workers in use, fixed',
      'worker  groups  flows  load %',
      '     0      64  1,234      96',
      '     1      64      9      10',
      '     2       0      0       0',
      '',
    ].join('\n'))
    expect(formatScale({ ...STATE, auto: true }, PLAIN)).toMatch(/^2 of 3 workers in use, by load\n/)
  })

  it('JSON -> one line with everything', () => {
    const { op: _, ...state } = STATE
    expect(formatScaleJson(STATE)).toMatch(/^[^\n]+\n$/)
    expect(JSON.parse(formatScaleJson(STATE))).toEqual(state)
  })
})
