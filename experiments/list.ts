/** All experiments, by number. */
import type { Experiment } from './report/experiment.js'
import { cluster } from './runs/cluster.js'
import { coexistence } from './runs/coexistence.js'
import { cost } from './runs/cost.js'
import { dctcp } from './runs/dctcp.js'
import { incast } from './runs/incast.js'
import { linkShares } from './runs/linkshares.js'
import { pacing } from './runs/pacing.js'
import { timely } from './runs/timely.js'

export const EXPERIMENTS: readonly Experiment[] = [dctcp, timely, incast, linkShares, pacing, coexistence, cluster, cost]
