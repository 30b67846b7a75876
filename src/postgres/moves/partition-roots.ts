// The tables of a schema of a tenant's own take part in a move under the names that they have everywhere else. For as long as it moves
// they are partitions of `app.<table>`, a root that has no rows of its own, no index, and no policy: nobody can read through it but
// replication, which comes with a login that policies do not hold for. What the tenant uses is its own table, as before.
//
// A root is shared by the tenants of the database that move at the same time, if their tables have one shape. The last one to leave
// drops it. Each table is one short transaction, so that the tenant's own statements hardly wait.
//
// https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE

import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'
import type { TenantKeys } from '../../core/tenant.ts'
import type { TenantKeyType } from '../../core/tenant-key.ts'
import { AbortedError, MoveFailedError, MoveRefusedError, PlacementConflictError } from '../../errors.ts'
import type { ControlConnection, ControlPool } from '../control-pool.ts'
import { sqlstateOf } from '../placements/placement-site.ts'
import { appSchema } from '../roles.ts'
import { quoted } from '../table-shape.ts'

/** Whose tables, in which schema. */
export interface RootedSchema {
  readonly tenant: { readonly id: string; readonly keys: TenantKeys }
  readonly schema: string
  readonly signal?: AbortSignal | undefined
  /** How often a lock that others hold is asked for. Default 60: about a minute for one table. */
  readonly attemptsMax?: number | undefined
}

/** The migrator's connections to the schema's database. */
type Connections = Pick<ControlPool, 'query' | 'transaction'>

/** By which a root is known: what has the name and not this is somebody else's, and is left alone. */
export const rootComment = 'partywall: root for moves'

/** So long a statement of the tenant may wait behind ours, which waits for another. */
const lockTimeoutMs = 100
const attemptsMaxDefault = 60
const firstPauseMs = 20
const pauseMsMax = 1_000

/**
 * Makes the schema's tables partitions of their roots. Nothing is read for it: the check that every such table has is the partition's
 * own. Repeating it is harmless.
 *
 * @throws {MoveRefusedError} when a table cannot be a partition, or another tenant who moves has a table of another shape.
 * {@link PlacementConflictError} when something of a root's name is there. {@link MoveFailedError} when the locks were not to be had.
 */
export async function attachToRoot(control: Connections, rooted: RootedSchema): Promise<void> {
  for (const table of await tablesOf(control, rooted.schema)) {
    if (table.isAttached) continue
    await patiently(rooted, table, () => control.transaction((connection) => attach(connection, rooted, table)))
  }
}

/** The tables are the tenant's own alone again. Repeating it is harmless, and so is a schema that is gone. */
export async function detachFromRoot(control: Connections, rooted: RootedSchema): Promise<void> {
  for (const table of await tablesOf(control, rooted.schema)) {
    if (!table.isAttached) continue
    await patiently(rooted, table, () => control.transaction((connection) => detach(connection, table)))
  }
}

interface OwnTable {
  readonly oid: string
  readonly table: string
  /** Schema and name, quoted. */
  readonly stored: string
  readonly root: string
  readonly tenantColumn: string
  readonly tenantType: TenantKeyType
  readonly isAttached: boolean
}

async function tablesOf(control: ControlConnection, schema: string): Promise<readonly OwnTable[]> {
  return await control.query<OwnTable>(
    `select c.oid::text as oid, c.relname as table, p.table_name as stored, format('%I.%I', $2::text, c.relname) as root, p.tenant_column as "tenantColumn",
            format_type(a.atttypid, null) as "tenantType",
            coalesce((select i.inhparent = to_regclass(format('%I.%I', $2::text, c.relname)) from pg_catalog.pg_inherits as i where i.inhrelid = c.oid), false) as "isAttached"
       from partywall.protected_tables as p
       join pg_catalog.pg_class as c on c.oid = to_regclass(p.table_name)
       join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attname = p.tenant_column and not a.attisdropped
      where p.table_name >= $1 || '.' and p.table_name < $1 || '/'
      order by c.relname`,
    [schema, appSchema],
  )
}

async function attach(connection: ControlConnection, { tenant }: RootedSchema, table: OwnTable): Promise<void> {
  await alone(connection, table)
  const key = table.tenantType === 'uuid' ? tenant.id : tenant.keys[table.tenantType]
  if (key === undefined) throw new MoveRefusedError(`${table.stored} knows tenants by ${table.tenantType}, and the tenant has no such key.`)
  await ensureRoot(connection, table)
  await connection.query(`alter table ${table.root} attach partition ${table.stored} for values in (${pg.escapeLiteral(key)})`)
}

async function detach(connection: ControlConnection, table: OwnTable): Promise<void> {
  await alone(connection, table)
  const [root] = await connection.query<{ isTheirs: boolean; others: number }>(
    `select obj_description(i.inhparent, 'pg_class') is not distinct from $2 as "isTheirs",
            (select count(*)::int from pg_catalog.pg_inherits as o where o.inhparent = i.inhparent and o.inhrelid <> i.inhrelid) as others
       from pg_catalog.pg_inherits as i
      where i.inhrelid = $1 and i.inhparent = to_regclass($3)`,
    [table.oid, rootComment, table.root],
  )
  if (root === undefined) return
  if (!root.isTheirs) throw isThere(table.root)
  await connection.query(`alter table ${table.root} detach partition ${table.stored}`)
  if (root.others === 0) await connection.query(`drop table ${table.root}`)
}

/** Two tenants that come and go at the same time take turns. */
async function alone(connection: ControlConnection, { root }: OwnTable): Promise<void> {
  await connection.query(`set local lock_timeout = ${lockTimeoutMs}`)
  await connection.query('select pg_advisory_xact_lock(hashtextextended($1, 7305804405))', [`partition root ${root}`])
}

interface FoundRoot {
  readonly isOurs: boolean
  readonly differences: readonly string[]
}

async function ensureRoot(connection: ControlConnection, table: OwnTable): Promise<void> {
  const { root, stored, tenantColumn } = table
  const [found] = await connection.query<FoundRoot>(rootQuery, [table.oid, rootComment, root])
  if (found === undefined) {
    await connection.query(`
      create table ${root} (like ${stored} including generated) partition by list (${quoted(tenantColumn)});
      comment on table ${root} is '${rootComment}';
      alter table ${root} enable row level security, force row level security, replica identity full;
      revoke all on table ${root} from public`)
    return
  }
  if (!found.isOurs) throw isThere(root)
  if (found.differences.length === 0) return
  throw new MoveRefusedError(
    `${stored} has not the shape of ${root}, with which another tenant is moving: ${found.differences.join('; ')}. Wait until that move is over, or bring both to one version.`,
    { details: { table: stored, root, differences: [...found.differences] } },
  )
}

const columnsOf = (rel: string): string => `
  select a.attname as name,
         concat_ws(' ', format_type(a.atttypid, a.atttypmod), case when a.attcollation <> 0 then 'collate ' || a.attcollation::regcollation end,
           case when a.attnotnull then 'not null' end,
           case when a.attgenerated <> '' then format('generated (%s) %s', pg_get_expr(d.adbin, d.adrelid), a.attgenerated) end) as definition
    from pg_catalog.pg_attribute as a
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum and a.attgenerated <> ''
   where a.attrelid = ${rel} and a.attnum > 0 and not a.attisdropped`

// $1 the table, $2 the comment, $3 the root.
const rootQuery = `
  select c.relkind = 'p' and obj_description(c.oid, 'pg_class') is not distinct from $2 and pg_get_userbyid(c.relowner) = current_user as "isOurs",
         array(
           select format('%s is %s here and %s there', coalesce(here.name, there.name), coalesce(here.definition, 'missing'), coalesce(there.definition, 'missing'))
             from (${columnsOf('$1::oid')}) as here
             full join (${columnsOf('c.oid')}) as there on there.name = here.name
            where here.definition is distinct from there.definition
            order by coalesce(here.name, there.name)
         ) as differences
    from pg_catalog.pg_class as c
   where c.oid = to_regclass($3)`

function isThere(root: string): PlacementConflictError {
  return new PlacementConflictError(
    `There is something of the name ${root} that was not made for moves. It was left as it is: see what it is, and whose.`,
  )
}

/** What PostgreSQL says of a table that cannot be a partition: triggers with transition tables, other parents, types. */
const refusals: readonly string[] = ['0A000', '42804', '42809', '42P16', '42P17', '55000']

/** A lock that is not to be had gives way to the tenant, and is asked for again; a bounded number of times. */
async function patiently(rooted: RootedSchema, table: OwnTable, fn: () => Promise<void>): Promise<void> {
  const { attemptsMax = attemptsMaxDefault } = rooted
  for (let attempt = 1; ; attempt++) {
    if (rooted.signal?.aborted) throw new AbortedError('It was cancelled between two tables. Call it again to go on.')
    try {
      await fn()
      return
    } catch (error) {
      const code = sqlstateOf(error)
      if (code !== undefined && refusals.includes(code)) {
        throw new MoveRefusedError(`${table.stored} cannot be a partition of ${table.root} while it moves: ${(error as Error).message}.`, {
          cause: error,
        })
      }
      if (code !== '55P03' && code !== '40P01') throw error
      if (attempt === attemptsMax) {
        throw new MoveFailedError(
          `${table.stored} or ${table.root} was locked by others at each of ${attemptsMax} attempts. End long transactions that use it, or try again later.`,
          { cause: error },
        )
      }
      await wait(Math.min(firstPauseMs * 2 ** (attempt - 1), pauseMsMax), undefined, rooted.signal && { signal: rooted.signal }).catch(
        () => {},
      )
    }
  }
}
