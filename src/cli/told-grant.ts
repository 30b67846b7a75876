// A grant, for people.

import type { Grant } from '../core/break-glass.ts'
import type { Output, TableColumns } from './output.ts'

/** What a list of grants shows. */
export const grantColumns: TableColumns<Grant> = {
  GRANT: ({ id }) => id,
  TENANT: ({ tenantId }) => tenantId,
  STATE: ({ state }) => state,
  SCOPE: ({ scope }) => scope,
  ASKED: ({ requestedBy }) => requestedBy,
  DECIDED: ({ decidedBy }) => decidedBy ?? '-',
  UNTIL: ({ expiresAt }) => expiresAt?.toISOString() ?? '-',
  TICKET: ({ ticket }) => ticket,
  REASON: ({ reason }) => reason,
}

/** One grant, without what only programs read. */
export function tellGrant(output: Output, grant: Grant): void {
  const { requestSignature: _request, decisionSignature: _decision, ...shown } = grant
  output.record(shown)
}
