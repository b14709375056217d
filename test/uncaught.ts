/** Exceptions that a test expects to be nobody's. */

/** Runs `run` while exceptions that nobody catches come to `heard` and not to the test runner. */
export async function hearingUncaught(heard: (error: Error) => void, run: () => Promise<void>): Promise<void> {
  const others = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', heard)
  try {
    await run()
  } finally {
    process.removeAllListeners('uncaughtException')
    for (const listener of others) process.on('uncaughtException', listener)
  }
}
