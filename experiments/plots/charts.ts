/**
 * Plots as data, drawn by vega-lite: well kept, described as a grammar instead of drawn by hand, and it makes SVG without a browser or
 * native parts.
 */
import { parse, View } from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'

/** Okabe and Ito's colours, which people with any colour vision can tell apart; the yellow is left out, since it vanishes on white. */
const COLOURS = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#56B4E9', '#E69F00', '#000000']
const WIDTH = 520
const HEIGHT = 260
const FACET_WIDTH = 250
const FACET_HEIGHT = 180

export interface Axis {
  /** With its unit. */
  readonly title: string
  readonly isLog?: boolean
  readonly min?: number
  readonly max?: number
}

/** A value that is stated: a dashed line across, with its name. */
export interface Rule {
  readonly value: number
  readonly name: string
}

export interface Point {
  readonly x: number
  readonly y: number
  /** What the colour says. */
  readonly series: string
  /** Which of several small plots it belongs to. */
  readonly facet?: string
}

export interface Chart {
  /** Of its file. */
  readonly name: string
  readonly title: string
  /** What the colours mean. */
  readonly legend: string
  readonly x: Axis
  readonly y: Axis
  /** Lines for what develops, steps for distributions, lines with dots for what was measured at a few places. */
  readonly mark: 'line' | 'step' | 'dots'
  readonly points: readonly Point[]
  /** Order of the series; otherwise by name. */
  readonly series: readonly string[]
  readonly rules?: readonly Rule[]
  /** Small plots in a row. */
  readonly columns?: number
}

function scaleOf({ isLog, min, max }: Axis): object {
  return { ...(isLog === true ? { type: 'log' } : { type: 'linear', zero: false }), nice: min === undefined || max === undefined,
    ...(min === undefined ? {} : { domainMin: min }), ...(max === undefined ? {} : { domainMax: max }) }
}

function axisOf(field: 'x' | 'y', axis: Axis): object {
  return { field, type: 'quantitative', title: axis.title, scale: scaleOf(axis), axis: { tickCount: 6 } }
}

function markOf({ mark }: Chart): object {
  if (mark === 'dots') return { type: 'line', point: { size: 40 }, strokeWidth: 1.5 }
  return { type: 'line', strokeWidth: 1.3, ...(mark === 'step' ? { interpolate: 'step-after' } : {}) }
}

function layers(chart: Chart): object[] {
  const data = chart.series.length > 1
    ? { color: { field: 'series', type: 'nominal', title: chart.legend, sort: chart.series, scale: { domain: chart.series, range: COLOURS } } }
    : { color: { value: COLOURS[0] } }
  const rules = (chart.rules ?? []).flatMap(({ value, name }) => [
    { data: { values: [{}] }, mark: { type: 'rule', strokeDash: [5, 4], color: '#555' }, encoding: { y: { datum: value } } },
    {
      data: { values: [{}] }, mark: { type: 'text', align: 'right', dx: -2, dy: -5, color: '#555' },
      encoding: { y: { datum: value }, x: { value: 'width' }, text: { value: name } },
    },
  ])
  return [{ mark: markOf(chart), encoding: { x: axisOf('x', chart.x), y: axisOf('y', chart.y), ...data } }, ...rules]
}

/** What all charts have: title, data, and how they look. */
export function sharedSpec(title: string, values: readonly object[], legendColumns: number): object {
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json', title: { text: title, anchor: 'start' }, background: 'white',
    data: { values: [...values] },
    config: {
      view: { stroke: '#ccc' }, axis: { gridColor: '#eee', labelFontSize: 11, titleFontSize: 12 },
      // Names are never cut off.
      legend: { orient: 'bottom', columns: legendColumns, labelLimit: 0 },
    },
  }
}

/** The chart in vega-lite's grammar. */
export function chartSpec(chart: Chart): TopLevelSpec {
  const facets = [...new Set(chart.points.map(({ facet }) => facet))]
  const isFaceted = facets.length > 1
  const size = isFaceted ? { width: FACET_WIDTH, height: FACET_HEIGHT } : { width: WIDTH, height: HEIGHT }
  const shared = sharedSpec(chart.title, chart.points, 6)
  const body = isFaceted
    ? { facet: { field: 'facet', type: 'nominal', title: null, sort: facets }, columns: chart.columns ?? 3, spec: { ...size, layer: layers(chart) } }
    : { ...size, layer: layers(chart) }
  // The grammar's types have no room for what is put together from parts: vega-lite checks it when it compiles.
  return { ...shared, ...body } as unknown as TopLevelSpec
}

/** Attributes that hold coordinates: a tenth of a pixel is enough, and a fifth of the bytes. Text that is shown must stay as it is. */
const COORDINATES = / (d|transform|x|y|x1|x2|y1|y2|width|height)="[^"]*"/g

function rounded(svg: string): string {
  return svg.replace(COORDINATES, (attribute) => attribute.replace(/-?\d+\.\d{2,}/g, (digits) => String(Number(Number(digits).toFixed(1)))))
}

/** The chart as SVG. Throws Error for a chart that makes no sense. */
export function drawSvg(chart: Chart): Promise<string> {
  return drawSpec(chartSpec(chart))
}

/** The same for a chart in vega-lite's grammar. */
export async function drawSpec(spec: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: 'none' })
  try {
    return `${rounded(await view.toSVG())}\n`
  } finally {
    view.finalize()
  }
}
