#!/usr/bin/env node
// The program `partywall`: the real terminal around run.ts.

import process from 'node:process'
import { processTerminal } from './process-terminal.ts'
import { runCli } from './run.ts'

/** After so long, a second Ctrl-C means: now. npm passes the first one on a second time. */
const impatientAfterMs = 3_000

/**
 * npm runs a script through a shell and passes SIGTERM on to that shell alone, which dies of it. Its child is then somebody
 * else's, and nobody would ever stop it.
 */
const orphanedCheckEveryMs = 500

function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    if (process.env['npm_lifecycle_event'] !== undefined) {
      const parent = process.ppid
      setInterval(() => process.ppid !== parent && resolve(), orphanedCheckEveryMs).unref()
    }
    let isStopping = false
    let isImpatient = false
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (isImpatient) process.exit(130)
        if (isStopping) return
        isStopping = true
        setTimeout(() => {
          isImpatient = true
        }, impatientAfterMs).unref()
        resolve()
      })
    }
  })
}

process.exitCode = await runCli(process.argv.slice(2), processTerminal(process, untilStopped))
