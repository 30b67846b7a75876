// What a server has said of itself, as it is printed.

import type { ServerFinding } from '../postgres/server-facts.ts'
import type { ServerReport } from '../postgres/servers.ts'
import type { Output } from './output.ts'
import type { Terminal } from './verb.ts'

/** The server as one record; what speaks against it stands beside. */
export function tellServer({ output, terminal }: { readonly output: Output; readonly terminal: Terminal }, report: ServerReport): void {
  const { server, facts, findings } = report
  const { name, region, state, labels, tenantsMax } = server
  const told = { name, region, state, labels, tenantsMax: tenantsMax ?? 'any' }
  if (output.isJson) output.record({ ...told, tenantsMax, facts, findings })
  else
    output.record({
      ...told,
      ...(facts !== undefined && { version: facts.version, encrypted: facts.isEncrypted, walLevel: facts.walLevel }),
    })
  if (!output.isJson) for (const finding of findings) terminal.note(findingText(finding))
}

function findingText({ rule, severity, problem, fix }: ServerFinding): string {
  return `${severity} ${rule}: ${problem} ${fix}`
}
