import { describe, expect, it } from 'vitest'
import { readOptions } from '../../experiments/options.js'
import { EXPERIMENTS } from '../../experiments/list.js'
import { type Chart, drawSvg } from '../../experiments/plots/charts.js'
import { goalsText, percentText, rateText } from '../../experiments/report/markdown.js'
import { jsonText } from '../../experiments/report/documents.js'

const CHART: Chart = {
  name: 'test', title: 'A title', legend: 'what colours mean', mark: 'line', series: ['a', 'b'], x: { title: 'time (ms)' }, y: { title: 'queue (packets)' },
  points: [0, 1, 2].flatMap((x) => [{ x, y: x, series: 'a' }, { x, y: 2 * x, series: 'b' }]), rules: [{ value: 1, name: 'K' }],
}

describe('charts', () => {
  it('a chart -> SVG with title, axes, legend and stated values, drawn without endless digits', async () => {
    const svg = await drawSvg(CHART)
    for (const text of ['A title', 'time (ms)', 'queue (packets)', 'what colours mean', '>K<']) expect(svg).toContain(text)
  })

  it('numbers that are shown -> as they are; coordinates -> rounded', async () => {
    const svg = await drawSvg({ ...CHART, y: { title: 'share', isLog: true }, rules: [{ value: 0.95, name: 'stated: 0.953' }],
      points: CHART.points.map((point) => ({ ...point, y: 0.001 * 10 ** point.y })) })
    expect(svg).toContain('>stated: 0.953<')
    expect(svg).toContain('>0.001<')
    expect(svg).not.toMatch(/ d="[^"]*\d\.\d\d/)
  })

  it('facets -> a small plot each', async () => {
    const svg = await drawSvg({ ...CHART, points: CHART.points.flatMap((point) => ['left', 'right'].map((facet) => ({ ...point, facet }))) })
    expect(svg).toContain('>left<')
    expect(svg).toContain('>right<')
  })
})

describe('text', () => {
  it('goals -> met or not', () => {
    const text = goalsText([{ what: 'w', figure: 'f', isMet: true }, { what: 'v', figure: 'g', isMet: false }])
    expect(text).toContain('| w | f | met |')
    expect(text).toContain('| v | g | **NOT met** |')
  })

  it('units and shares', () => {
    expect([rateText(10_000_000), rateText(3_000), rateText(20)]).toEqual(['10 Gbit/s', '3 Mbit/s', '20 kbit/s'])
    expect(percentText(0.1234)).toBe('12.3 %')
  })

  it('JSON -> six digits', () => {
    expect(JSON.parse(jsonText({ a: 1 / 3, b: [2] }))).toEqual({ a: 0.333333, b: [2] })
  })
})

describe('command line', () => {
  it('nothing -> all, into the documents; --quick -> nowhere', () => {
    expect(readOptions([], EXPERIMENTS)).toMatchObject({ quick: false, seed: 1, out: 'docs/experiments', chosen: EXPERIMENTS })
    expect(readOptions(['--quick'], EXPERIMENTS)?.out).toBeNull()
  })

  it('--only -> by number and name, in that order', () => {
    expect(readOptions(['--only', '3,dctcp'], EXPERIMENTS)?.chosen.map(({ number }) => number)).toEqual([3, 3, 1])
    expect(() => readOptions(['--only', '99'], EXPERIMENTS)).toThrow('--only: "99"')
  })

  it('--help -> null; a seed that is none -> refused', () => {
    expect(readOptions(['--help'], EXPERIMENTS)).toBeNull()
    expect(() => readOptions(['--seed', 'x'], EXPERIMENTS)).toThrow('--seed')
  })
})
