/** Stacked bars: of what parts a sum is made, side by side. */
import type { TopLevelSpec } from 'vega-lite'
import { drawSpec, sharedSpec } from './charts.js'

const WIDTH = 280
const HEIGHT = 380
const LEGEND_COLUMNS = 2

export interface Part {
  /** Which bar it belongs to. */
  readonly bar: string
  readonly series: string
  readonly value: number
  /** Which of several small plots it belongs to. */
  readonly facet: string
}

export interface BarChart {
  /** Of its file. */
  readonly name: string
  readonly title: string
  /** What the height means, with its unit. */
  readonly height: string
  /** Order of the bars. */
  readonly bars: readonly string[]
  /** From the top downwards, with their colours. */
  readonly series: readonly (readonly [name: string, colour: string])[]
  readonly parts: readonly Part[]
}

/** The chart in vega-lite's grammar. Each small plot has a scale of its own. */
export function barSpec({ title, height, bars, series, parts }: BarChart): TopLevelSpec {
  const names = series.map(([name]) => name)
  const values = parts.map((part) => ({ ...part, order: -names.indexOf(part.series) }))
  const spec = {
    ...sharedSpec(title, values, LEGEND_COLUMNS),
    facet: { field: 'facet', type: 'nominal', title: null, sort: [...new Set(parts.map(({ facet }) => facet))] },
    columns: 2,
    resolve: { scale: { y: 'independent' } },
    spec: {
      width: WIDTH, height: HEIGHT, mark: 'bar',
      encoding: {
        x: { field: 'bar', type: 'nominal', title: null, sort: [...bars], axis: { labelAngle: 0 } },
        y: { field: 'value', type: 'quantitative', title: height },
        color: {
          field: 'series', type: 'nominal', title: null, scale: { domain: names, range: series.map(([, colour]) => colour) },
        },
        order: { field: 'order', type: 'quantitative' },
      },
    },
  }
  // As in charts.ts: vega-lite checks what is put together from parts when it compiles.
  return spec as unknown as TopLevelSpec
}

/** The chart as SVG. Throws Error for a chart that makes no sense. */
export function drawBars(chart: BarChart): Promise<string> {
  return drawSpec(barSpec(chart))
}
