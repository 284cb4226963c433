/**
 * Ends a test run with one plain line: how many tests passed and failed.
 *
 * @module
 */

import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node'

/** A reporter beside the usual one. */
export default class SummaryReporter implements Reporter {
  /** Called when all tests have ended. */
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], reason: TestRunEndReason): void {
    const count = { passed: 0, failed: 0, skipped: 0 }
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed' || state === 'skipped') count[state]++
        else count.failed++
      }
      // A file that cannot be loaded counts as well, and a hook that failed: its tests are told as skipped.
      count.failed += module.errors().length
      for (const suite of module.children.allSuites()) count.failed += suite.errors().length
    }
    count.failed += errors.length
    if (reason === 'interrupted') count.failed++
    // After the usual report.
    process.on('exit', () => {
      console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
    })
  }
}
