// The control plane for one command: opened, used, closed. No login that can see tenants' rows.

import { userInfo } from 'node:os'
import type { Actor } from '../core/actor.ts'
import type { ApiKeys } from '../core/api-keys.ts'
import type { AuditEvent, AuditTrail } from '../core/audit-trail.ts'
import { systemClock } from '../core/clock.ts'
import { parseTenantRef, type Tenant } from '../core/tenant.ts'
import { TenantScope } from '../core/tenant-context.ts'
import { TenantDirectory } from '../core/tenant-directory.ts'
import { Tenants } from '../core/tenants.ts'
import { TenantNotFoundError } from '../errors.ts'
import { PostgresApiKeys } from '../postgres/api-keys.ts'
import { PostgresAuditTrail } from '../postgres/audit-trail.ts'
import { Capabilities } from '../postgres/capabilities.ts'
import { PostgresCatalog } from '../postgres/catalog.ts'
import { ControlPool } from '../postgres/control-pool.ts'
import { readAdminSettings, readSettings, type Settings } from './settings.ts'
import type { Terminal } from './verb.ts'

export interface ControlPlane {
  readonly tenants: Tenants
  readonly apiKeys: ApiKeys
  readonly capabilities: Capabilities
  readonly auditTrail: AuditTrail
  /** Who sits at the terminal, for the audit trail. */
  readonly actor: Actor
  /** Keeps in the audit trail that the one at the terminal did this. */
  record(done: Pick<AuditEvent, 'action' | 'tenantId'> & Partial<Pick<AuditEvent, 'reason' | 'details'>>): Promise<void>
}

/** What must be set up for `withCatalog` and for `withAdmin`, in the words of the help. */
export const needsCatalog = 'PARTYWALL_CATALOG_URL, or a partywall dev that runs beside'
export const needsAdmin = 'PARTYWALL_CATALOG_URL and PARTYWALL_ADMIN_URL, or a partywall dev that runs beside'

/** Runs `fn` with the control plane open, to read it and to issue capabilities. */
export async function withCatalog<T>(terminal: Terminal, fn: (plane: ControlPlane) => Promise<T>): Promise<T> {
  return await withControlPlane(await readSettings(terminal), fn)
}

/**
 * Runs `fn` with the control plane open, to change it.
 *
 * @throws {ConfigurationError} when the migrator's URL is missing.
 */
export async function withAdmin<T>(terminal: Terminal, fn: (plane: ControlPlane) => Promise<T>): Promise<T> {
  return await withControlPlane(await readAdminSettings(terminal), fn)
}

/** @throws {TenantNotFoundError} when the catalog does not know it. */
export async function findTenant({ tenants }: ControlPlane, ref: string): Promise<Tenant> {
  const found = await tenants.find(parseTenantRef(ref))
  if (found === undefined) throw new TenantNotFoundError(`There is no tenant ${JSON.stringify(ref)}. See partywall tenant list.`)
  return found
}

/** Runs `fn` with the control plane open. */
export async function withControlPlane<T>(settings: Settings, fn: (plane: ControlPlane) => Promise<T>): Promise<T> {
  const open = (connectionString: string) => new ControlPool({ connectionString, applicationName: 'partywall cli', connectionsMax: 2 })
  const reader = open(settings.catalog)
  const writer = settings.admin === undefined ? undefined : open(settings.admin)
  const closers: (() => Promise<void>)[] = [() => reader.close(), async () => await writer?.close()]
  try {
    const auditTrail = new PostgresAuditTrail(reader)
    const catalog = new PostgresCatalog({ reader, writer })
    const directory = await TenantDirectory.open({ catalog })
    closers.unshift(() => directory.close())
    // Never closed: closing revokes, and what was printed is to live on.
    const capabilities = new Capabilities({ control: reader, clock: systemClock, issuedTo: 'partywall cli' })
    const tenants = new Tenants({ catalog, directory, auditTrail, scope: new TenantScope(auditTrail) })
    const apiKeys = new PostgresApiKeys({ gatekeeper: reader, migrator: writer })
    const actor = actorAtTerminal()
    const record: ControlPlane['record'] = ({ reason, ...done }) =>
      auditTrail.record({ ...done, outcome: 'allowed', actor, requestId: undefined, reason })
    return await fn({ tenants, apiKeys, capabilities, auditTrail, actor, record })
  } finally {
    for (const close of closers) await close()
  }
}

/** Who the operating system says sits there. */
export function actorAtTerminal(): Actor {
  return { kind: 'staff', id: userInfo().username }
}
