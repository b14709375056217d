/** A vitest reporter that writes how many tests passed and failed to the file that TASJS_TEST_SUMMARY names. */
import { writeFileSync } from 'node:fs'

export default class SummaryReporter {
  /**
   * @param {ReadonlyArray<import('vitest/node').TestModule>} modules
   * @param {ReadonlyArray<unknown>} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    const file = process.env.TASJS_TEST_SUMMARY
    if (file === undefined) return
    const summary = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    for (const module of modules) {
      // A file that could not be loaded has no tests, only errors: it counts as one that failed.
      summary.failed += module.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') summary.passed++
        else if (state === 'failed') summary.failed++
        else summary.skipped++
      }
    }
    writeFileSync(file, JSON.stringify(summary))
  }
}
