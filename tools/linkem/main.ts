#!/usr/bin/env node
/** The `tas-linkem` command: a link between two interfaces that is as bad as you like. */
import { writeSync } from 'node:fs'
import { setName } from '../../native/index.js'
import { Link } from './link.js'
import { LinkemUsageError, parseOptions, type LinkemOptions } from './options.js'
import { countersText, readyLine } from './report.js'

const EXIT_ENVIRONMENT = 1
const EXIT_USAGE = 2

/** That nobody reads is no reason to end. */
function print(fd: number, text: string): void {
  try {
    writeSync(fd, `${text}\n`)
  } catch {
    // EPIPE: the reader is gone. EAGAIN: it does not keep up.
  }
}

function complain(message: string): void {
  print(2, `tas-linkem: ${message.replaceAll(/\s+/g, ' ').trim()}`)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function run(options: LinkemOptions): void {
  setName('tas-linkem')
  const end = (code: number): void => {
    const counters = link.counters()
    link.close()
    print(1, countersText(counters, options))
    process.exit(code)
  }
  const link = Link.open(options, (error) => {
    complain(messageOf(error))
    end(EXIT_ENVIRONMENT)
  }, complain)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => end(0))
  print(1, readyLine(options))
}

// A reader that goes away (head, less) ends the help, not the program with a trace.
process.stdout.on('error', () => undefined)
try {
  const options = parseOptions(process.argv.slice(2))
  if (options !== null) run(options)
} catch (error) {
  complain(messageOf(error))
  process.exitCode = error instanceof LinkemUsageError ? EXIT_USAGE : EXIT_ENVIRONMENT
}
