// The control plane for one command: opened, used, closed. No login that can see tenants' rows.

import { userInfo } from 'node:os'
import type { Actor } from '../core/actor.ts'
import type { ApiKeys } from '../core/api-keys.ts'
import type { AuditTrail } from '../core/audit-trail.ts'
import { systemClock } from '../core/clock.ts'
import { TenantScope } from '../core/tenant-context.ts'
import { TenantDirectory } from '../core/tenant-directory.ts'
import { Tenants } from '../core/tenants.ts'
import { ConfigurationError } from '../errors.ts'
import { PostgresApiKeys } from '../postgres/api-keys.ts'
import { PostgresAuditTrail } from '../postgres/audit-trail.ts'
import { Capabilities } from '../postgres/capabilities.ts'
import { PostgresCatalog } from '../postgres/catalog.ts'
import { ControlPool } from '../postgres/control-pool.ts'
import type { Settings } from './settings.ts'

export interface ControlPlane {
  readonly tenants: Tenants
  readonly apiKeys: ApiKeys
  readonly capabilities: Capabilities
  readonly auditTrail: AuditTrail
  /** Who sits at the terminal, for the audit trail. */
  readonly actor: Actor
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
    return await fn({ tenants, apiKeys, capabilities, auditTrail, actor: { kind: 'staff', id: userInfo().username } })
  } finally {
    for (const close of closers) await close()
  }
}

/** @throws {ConfigurationError} when the migrator's URL is missing. */
export function requireAdmin(settings: Settings): Settings {
  if (settings.admin !== undefined) return settings
  throw new ConfigurationError(
    "This changes the catalog and needs the migrator's login. Set PARTYWALL_ADMIN_URL, as partywall init printed it.",
  )
}
