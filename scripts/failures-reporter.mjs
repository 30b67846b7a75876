// A reporter of node:test that writes down failures alone: scripts/test.mjs says them once more when all runs have ended, so that the end of
// a long log is enough to read.

import { relative } from 'node:path'
import { inspect } from 'node:util'

// biome-ignore lint/style/noDefaultExport: node:test takes a reporter by its default export.
export default async function* failures(events) {
  for await (const { type, data } of events) {
    // Of a suite it is only said that a part of it failed.
    if (type !== 'test:fail' || data.details.error?.failureType === 'subtestsFailed') continue
    const { name, file, line, details } = data
    const { error } = details
    const where = file === undefined ? '' : ` (${relative(process.cwd(), file)}:${line})`
    yield `✖ ${name}${where}\n${inspect(error.cause ?? error, { depth: 6 }).replaceAll(/^/gm, '    ')}\n`
  }
}
