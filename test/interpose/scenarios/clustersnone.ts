/** Clusters on one address; workers share a handle that the primary has bound. */
import cluster from 'node:cluster'
import { runClusterCases } from './clustercases.js'

cluster.schedulingPolicy = cluster.SCHED_NONE
await runClusterCases()
