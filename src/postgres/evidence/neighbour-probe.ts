// As a real neighbour: a session with the rights of the application's login and a capability of somebody else tries to reach one tenant's
// rows, table by table. All of it is in one transaction that is taken back.

import type { PlacedTenant } from '../../core/placement-adapter.ts'
import type { NeighbourAttempt, NeighbourProbe } from '../../evidence/facts.ts'
import type { ControlConnection, ControlPool } from '../control-pool.ts'
import { roles } from '../roles.ts'
import { quoted } from '../table-shape.ts'

/** A tenant without a row that every wall has for canaries. */
const stranger = '00000000-0000-0000-0000-0000000000ca'

interface Target {
  /** As SQL names it. */
  readonly name: string
  readonly column: string
  /** The tenant's value of that column. */
  readonly key: string
}

interface Attempt {
  readonly what: string
  /** What is bound, if it is not the stranger's capability. */
  readonly bound?: 'nothing' | 'the id' | undefined
  readonly text: string
  readonly values?: readonly unknown[] | undefined
}

/**
 * Tries to reach the tenant's rows in each table.
 *
 * @param admin Connections of the administrator to the tenant's database: it can become the application's role, and counts.
 * @param tables As SQL names them, with the number of the tenant's rows in each.
 */
export async function probeAsNeighbour(
  admin: ControlPool,
  tenant: PlacedTenant,
  tables: readonly { readonly name: string; readonly rows: number }[],
): Promise<NeighbourProbe> {
  const isOver = Symbol('taken back')
  const probed: NeighbourProbe['tables'][number][] = []
  await admin
    .transaction(async (connection) => {
      await connection.query(`set local statement_timeout = '30s'; set local lock_timeout = '2s'`)
      const handle = await capabilityOf(connection, stranger)
      const role = tenant.placement.isolation === 'pooled' || tenant.placement.isolation === 'schema' ? roles.app : roles.tenants
      for (const { name, rows } of tables) {
        const column = await tenantColumn(connection, name)
        if (column === undefined) continue
        const target = { name, column: column.name, key: keyOf(tenant, column.type) }
        const attempts: NeighbourAttempt[] = []
        for (const attempt of attemptsAt(target)) attempts.push(await tryOne(connection, { attempt, handle, role, id: tenant.id }))
        probed.push({ name, rows, attempts })
      }
      throw isOver
    })
    .catch((error: unknown) => {
      if (error !== isOver) throw error
    })
  return { tables: probed }
}

/** Each looks at nothing, or is refused, where the wall stands. */
function attemptsAt({ name, column, key }: Target): readonly Attempt[] {
  const where = `where ${quoted(column)}::text = $1`
  return [
    { what: 'read every row', text: `select from ${name}` },
    { what: 'read the rows by your key', text: `select from ${name} ${where}`, values: [key] },
    { what: 'lock the rows', text: `select from ${name} ${where} for update`, values: [key] },
    { what: 'change the rows', text: `update ${name} set ${quoted(column)} = ${quoted(column)} ${where}`, values: [key] },
    { what: 'delete the rows', text: `delete from ${name} ${where}`, values: [key] },
    { what: 'empty the table', text: `truncate ${name}` },
    { what: 'read with nothing bound', bound: 'nothing', text: `select from ${name}` },
    { what: 'read with your id for a credential', bound: 'the id', text: `select from ${name}` },
  ]
}

interface Trial {
  readonly attempt: Attempt
  readonly handle: string
  readonly role: string
  readonly id: string
}

async function tryOne(connection: ControlConnection, { attempt, handle, role, id }: Trial): Promise<NeighbourAttempt> {
  const { what, bound, text, values = [] } = attempt
  const capability = bound === 'nothing' ? undefined : bound === 'the id' ? id : handle
  await connection.query('savepoint attempt')
  try {
    await connection.query(`set local role ${role}`)
    if (capability !== undefined) await connection.query('select partywall.bind($1)', [capability])
    const [answer] = await connection.query<{ rows: string }>(counting(text), values)
    const rows = Number(answer?.rows ?? 0)
    return { what, outcome: rows === 0 ? 'nothing' : 'leaked', got: `${rows} rows` }
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string }
    const isRefusal = code === '42501' || code?.startsWith('PW') === true
    return { what, outcome: isRefusal ? 'refused' : 'void', got: `${code ?? ''} ${message}`.trim() }
  } finally {
    await connection.query('rollback to attempt; release attempt')
  }
}

/** How many rows a statement has got: read, locked, changed or deleted. */
function counting(text: string): string {
  if (text.startsWith('truncate')) return text
  if (text.startsWith('select'))
    return text.endsWith('for update')
      ? `with got as materialized (${text}) select count(*) as rows from got`
      : `select count(*) as rows from (${text}) as got`
  return `with got as (${text} returning 1) select count(*) as rows from got`
}

async function capabilityOf(connection: ControlConnection, tenantId: string): Promise<string> {
  const [row] = await connection.query<{ capability: string }>(
    `select i.capability::text as capability from partywall.issue(array[$1::uuid], interval '1 minute', 'evidence') as i`,
    [tenantId],
  )
  return row!.capability
}

async function tenantColumn(
  connection: ControlConnection,
  name: string,
): Promise<{ readonly name: string; readonly type: string } | undefined> {
  const [row] = await connection.query<{ name: string; type: string }>(
    `select p.tenant_column as name, format_type(a.atttypid, null) as type
       from partywall.protected_tables as p
       join pg_catalog.pg_attribute as a on a.attrelid = to_regclass(p.table_name) and a.attname = p.tenant_column
      where to_regclass(p.table_name) = to_regclass($1)`,
    [name],
  )
  return row
}

function keyOf({ id, keys }: PlacedTenant, type: string): string {
  if (type === 'bigint') return keys.bigint ?? ''
  return type === 'text' ? (keys.text ?? '') : id
}
