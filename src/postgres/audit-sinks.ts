// How batches of audit entries are appended in a database: by the gatekeeper, for all its tenants; by a tenant's own login, which
// proves with each append that the application asks for it, and not SQL that was slipped into one of its statements.

import { createHmac } from 'node:crypto'
import type { ControlConnection } from './control-pool.ts'
import type { AuditAppended, AuditSink } from './tenant-database.ts'

// One text each, and not arrays: no batch has a line feed inside, and in an array every quotation mark of theirs would be escaped.
const appendShared = `select a.tenant_id, a.outcome
  from partywall.append_audit(string_to_array($1, ',')::uuid[], string_to_array($2, E'\\n'), $3) as a`
const appendOwn = `select a.tenant_id, a.outcome from partywall.append_own_audit(string_to_array($1, E'\\n'), $2, $3) as a`

/** Over the gatekeeper's login. */
export function sharedAuditSink(control: ControlConnection): AuditSink {
  return {
    append: async (tenantIds, payloads, isRetry) =>
      await control.query<AuditAppended>(appendShared, [tenantIds.join(), payloads.join('\n'), isRetry]),
  }
}

/** @param keyOf The key; with `refresh` when the database refused what was known, since the database may have been made anew. */
export function ownAuditSink(control: ControlConnection, keyOf: (refresh: boolean) => Promise<Buffer>): AuditSink {
  let key: Promise<Buffer> | undefined
  const append = async (payloads: readonly string[], isRetry: boolean, by: Buffer): Promise<readonly AuditAppended[]> => {
    const text = payloads.join('\n')
    return await control.query<AuditAppended>(appendOwn, [text, isRetry, createHmac('sha256', by).update(text).digest()])
  }
  const load = async (refresh: boolean): Promise<Buffer> => {
    const loading = keyOf(refresh)
    key = loading
    loading.catch(() => {
      if (key === loading) key = undefined
    })
    return await loading
  }
  return {
    append: async (_tenantIds, payloads, isRetry) => {
      try {
        return await append(payloads, isRetry, await (key ?? load(false)))
      } catch (error) {
        const { code, cause } = error as { code?: unknown; cause?: { readonly code?: unknown } }
        if (code !== '42501' && cause?.code !== '42501') throw error
        return await append(payloads, true, await load(true))
      }
    },
  }
}
