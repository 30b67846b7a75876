#!/usr/bin/env node
// The program `partywall`: the real terminal around run.ts.

import process from 'node:process'
import { runCli } from './run.ts'

/** After so long, a second Ctrl-C means: now. npm passes the first one on a second time. */
const impatientAfterMs = 3_000

function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
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

process.exitCode = await runCli(process.argv.slice(2), {
  print: (line) => void process.stdout.write(`${line}\n`),
  note: (line) => void process.stderr.write(`${line}\n`),
  env: process.env,
  cwd: process.cwd(),
  untilStopped,
})
