// What checks have found: a table, or the good news; and the exit code that says which.

import type { Outcome } from './exit-codes.ts'
import type { Output, TableColumns } from './output.ts'
import type { Terminal } from './verb.ts'

/** @returns `failed` when there is anything. With --json, no finding is no line. */
export async function tellFindings<Finding extends object>(
  { output, terminal }: { readonly output: Output; readonly terminal: Terminal },
  findings: readonly Finding[],
  shown: TableColumns<Finding>,
): Promise<Outcome> {
  if (findings.length === 0) {
    if (!output.isJson) terminal.note('Everything is as it must be.')
    return 'done'
  }
  await output.table(findings, shown)
  return 'failed'
}
