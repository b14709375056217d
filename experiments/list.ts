/** All experiments, by number. */
import type { Experiment } from './report/experiment.js'
import { cluster } from './runs/cluster.js'
import { cost } from './runs/cost.js'
import { dctcp } from './runs/dctcp.js'
import { incast } from './runs/incast.js'
import { pacing } from './runs/pacing.js'
import { timely } from './runs/timely.js'

export const EXPERIMENTS: readonly Experiment[] = [dctcp, timely, incast, pacing, cluster, cost]
