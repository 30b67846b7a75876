// One statement that PostgreSQL runs outside a transaction only: an index built while others write, VACUUM.
// It can be interrupted between the work and the ledger, and CREATE INDEX CONCURRENTLY leaves an invalid index behind. So what is
// there is looked at first: remains are dropped, and what is finished already is only recorded.

import type { IndexStmt } from '@pgsql/types'
import pg from 'pg'
import { MigrationError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'
import { lockTimeoutMs, statementTimeoutMsDefault } from './apply-file.ts'
import type { FileTask } from './apply-migrations.ts'
import { migrationFailure } from './migration-failure.ts'
import type { SqlStatement } from './sql-statements.ts'

/** Such a statement blocks nobody while it waits for older transactions to end, so it may wait longer. */
const lockTimeoutMsDefault = 60_000

/** Applies a file without a transaction, in a session that holds the schema's turn. */
export async function applyOutsideTransaction(task: FileTask): Promise<void> {
  const { pool, schema, migration } = task
  const statement = migration.statements?.[0]
  try {
    await pool.session(async (session) => {
      await inTurn(session, task, async () => {
        if (statement !== undefined && !(await isDoneAlready(session, task, statement))) await session.query(statement.text)
      })
    })
  } catch (error) {
    throw await migrationFailure(error, { migration, schema, statement })
  }
}

async function inTurn(session: ControlConnection, task: FileTask, fn: () => Promise<void>): Promise<void> {
  const { schema, migration, after, appliedBy, limits } = task
  const timeout = migration.directives.statementTimeoutMs ?? limits.statementTimeoutMs ?? statementTimeoutMsDefault
  await session.query(
    `set search_path to ${pg.escapeIdentifier(schema)}, pg_temp; set lock_timeout = 0; set statement_timeout = ${timeout}`,
  )
  await session.query('select pg_advisory_lock(partywall.migration_lock($1))', [schema])
  await session.query('select partywall.begin_migration($1, $2, $3)', [schema, migration.version, after])
  await session.query(`set lock_timeout = ${lockTimeoutMs(task, lockTimeoutMsDefault)}`)
  await fn()
  await session.query('select partywall.end_migration($1, $2, $3, $4, $5)', [
    schema,
    migration.version,
    migration.file,
    migration.sha256,
    appliedBy,
  ])
  await session.query('select pg_advisory_unlock(partywall.migration_lock($1))', [schema])
  await session.query('reset search_path; reset lock_timeout; reset statement_timeout')
}

/** Makes way for the statement. True when an attempt before this one finished it. */
async function isDoneAlready(session: ControlConnection, task: FileTask, { node }: SqlStatement): Promise<boolean> {
  if ('IndexStmt' in node) return await isIndexThere(session, task, node.IndexStmt)
  if ('DropStmt' in node) {
    const names = (node.DropStmt.objects ?? []).flatMap((object) => ('List' in object ? (object.List.items ?? []) : []))
    const name = names.at(-1)
    return name !== undefined && 'String' in name && (await findIndex(session, task.schema, name.String.sval ?? '')) === undefined
  }
  return false
}

interface FoundIndex {
  readonly isValid: boolean
  readonly isUnique: boolean
  readonly isPartial: boolean
  readonly table: string
  readonly method: string
  /** The key's columns; an expression is null. */
  readonly columns: readonly (string | null)[]
}

async function isIndexThere(session: ControlConnection, { schema, migration }: FileTask, wanted: IndexStmt): Promise<boolean> {
  const name = wanted.idxname ?? ''
  const found = await findIndex(session, schema, name)
  if (found === undefined) return false
  if (!found.isValid) {
    await session.query(`drop index concurrently ${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`)
    return false
  }
  const columns = (wanted.indexParams ?? []).map((param) => ('IndexElem' in param ? (param.IndexElem.name ?? null) : null))
  const isSame =
    found.table === wanted.relation?.relname &&
    found.method === wanted.accessMethod &&
    found.isUnique === (wanted.unique ?? false) &&
    found.isPartial === (wanted.whereClause !== undefined) &&
    JSON.stringify(found.columns) === JSON.stringify(columns)
  if (isSame || wanted.if_not_exists === true) return isSame
  throw new MigrationError(
    `${migration.file}: ${schema} has another index named ${name} already. Drop it, or give the new one another name.`,
    {
      details: { version: migration.version, file: migration.file, schema },
    },
  )
}

async function findIndex(session: ControlConnection, schema: string, name: string): Promise<FoundIndex | undefined> {
  const [found] = await session.query<FoundIndex>(
    `select i.indisvalid as "isValid", i.indisunique as "isUnique", i.indpred is not null as "isPartial",
            t.relname::text as "table", m.amname::text as "method",
            array(
              select a.attname::text
                from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality as k (attnum, ord)
                left join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum and k.attnum > 0
               order by k.ord
            ) as "columns"
       from pg_catalog.pg_class as c
       join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
       join pg_catalog.pg_index as i on i.indexrelid = c.oid
       join pg_catalog.pg_class as t on t.oid = i.indrelid
       join pg_catalog.pg_am as m on m.oid = c.relam
      where n.nspname = $1 and c.relname = $2`,
    [schema, name],
  )
  return found
}
