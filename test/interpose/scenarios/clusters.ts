/** Clusters on one address; the primary takes connections and hands them out, where the kernel has the address. */
import { runClusterCases } from './clustercases.js'

await runClusterCases()
