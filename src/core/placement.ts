// Where a tenant's rows live. Data in the catalog, not code: the statement text is the same in every placement.

import { createHash } from 'node:crypto'
import type { TenantId } from './tenant.ts'

/**
 * `pooled`: shared tables. `schema`: tables of its own in a shared database. `database`: a database and a login of its own on a
 * shared server. `server`: the same on a server that holds nobody else.
 */
export type Isolation = 'pooled' | 'schema' | 'database' | 'server'

/** The isolations, from the least to the most. */
export const isolations: readonly Isolation[] = Object.freeze(['pooled', 'schema', 'database', 'server'])

/** A tenant's place, as the catalog has it. */
export interface Placement {
  readonly isolation: Isolation
  /** The server, by its name in the catalog; `main` is the catalog's own. */
  readonly server: string
  /** The database, by its name in the catalog; `main` is the catalog's own. */
  readonly database: string
  /** The schema of the tenant's tables: `app`, or one that is its own. */
  readonly schema: string
}

/** Are the same tables meant? */
export function isSamePlace(a: Placement, b: Placement): boolean {
  return a.database === b.database && a.server === b.server && a.schema === b.schema
}

/** Schema of the application's tables wherever a tenant has none of its own. */
export const sharedSchema = 'app'

/** Where a tenant is that nobody has placed. */
export const mainPlacement: Placement = Object.freeze({ isolation: 'pooled', server: 'main', database: 'main', schema: sharedSchema })

/**
 * The schema of a tenant's own tables: `t_` and 24 hexadecimal digits. Derived from the id, which never changes, and never from a
 * name: names of PostgreSQL end at 63 bytes, where two long ones become one, and everybody in the database can read them.
 */
export function schemaNameOf(id: TenantId): string {
  return `t_${digest(`schema:${id}`)}`
}

/** The database of a tenant's own, and its login: `pw_` and 24 hexadecimal digits. All of the server can read these names. */
export function databaseNameOf(id: TenantId): string {
  return `pw_${digest(`database:${id}`)}`
}

/** 96 bits: two tenants of a million share a name with a chance of one in 10^17, and are refused then. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 24)
}
