/** What Linux peers can be like, and which of them are tried. */

/** Every axis with its values. */
export const AXES = {
  /** MTU of the link, bytes. */
  mtu: [576, 1500, 9000],
  /** Checksum and segmentation offload of TAS (`--fp-no-xsumoffload` if not). */
  tasOffload: [true, false],
  /** Checksum, segmentation and receive offload of the peer's interface. */
  peerOffload: [true, false],
  timestamps: [true, false],
  sack: [true, false],
  windowScaling: [true, false],
  /** Whether the peer asks for ECN and agrees to it; TAS runs with `--tcp-ecn=on`. */
  ecn: [true, false],
  /** The peer's congestion control. */
  control: ['cubic', 'bbr'],
} as const

type Axes = typeof AXES
export type Axis = keyof Axes
export type PeerCase = { readonly [A in Axis]: Axes[A][number] }

const NAMES = Object.keys(AXES) as Axis[]

function withAxis(cases: readonly Partial<PeerCase>[], axis: Axis): Partial<PeerCase>[] {
  return cases.flatMap(one => AXES[axis].map(value => ({ ...one, [axis]: value })))
}

/** Every combination. */
export function allCases(): PeerCase[] {
  return NAMES.reduce(withAxis, [{}] as Partial<PeerCase>[]) as PeerCase[]
}

/** The pairs of values of two axes that a case has, each as a word. */
export function pairsOf(one: PeerCase): string[] {
  return NAMES.flatMap((a, i) => NAMES.slice(i + 1).map(b => `${a}=${one[a]} ${b}=${one[b]}`))
}

/** Few cases in which every pair of values of two axes occurs: always the case next that has most pairs that are still missing. */
export function pairwiseCases(): PeerCase[] {
  const left = allCases().map(one => ({ one, pairs: pairsOf(one) }))
  const uncovered = new Set(left.flatMap(({ pairs }) => pairs))
  const chosen: PeerCase[] = []
  while (uncovered.size > 0) {
    const gains = left.map(({ pairs }) => pairs.filter(pair => uncovered.has(pair)).length)
    const best = left[gains.indexOf(Math.max(...gains))]
    for (const pair of best.pairs) uncovered.delete(pair)
    chosen.push(best.one)
  }
  return chosen
}

/** Cases that can share their hosts: same link, same TAS. */
export interface CaseGroup {
  readonly mtu: PeerCase['mtu']
  readonly tasOffload: boolean
  readonly cases: readonly PeerCase[]
}

/** The cases by what cannot be changed while TAS runs. */
export function groupCases(cases: readonly PeerCase[]): CaseGroup[] {
  return AXES.mtu.flatMap(mtu => AXES.tasOffload.map(tasOffload => ({
    mtu, tasOffload, cases: cases.filter(one => one.mtu === mtu && one.tasOffload === tasOffload),
  }))).filter(group => group.cases.length > 0)
}

function onOff(name: string, on: boolean): string {
  return on ? name : `no ${name}`
}

/** What the peer of a case is like, in a line. */
export function describeCase(one: PeerCase): string {
  return [
    onOff('timestamps', one.timestamps), onOff('SACK', one.sack), onOff('scaling', one.windowScaling), onOff('ECN', one.ecn),
    one.control, onOff('offload', one.peerOffload),
  ].join(', ')
}

/** What all cases of a group share, in a line. */
export function describeGroup({ mtu, tasOffload }: CaseGroup): string {
  return `MTU ${mtu}, TAS with ${onOff('offload', tasOffload)}`
}
