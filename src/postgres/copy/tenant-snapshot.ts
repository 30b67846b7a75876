// One tenant's rows as of one moment, read in bulk over several connections, from whatever placement the tenant lives in.
//
// Policies hold: each connection acts as the owner with a capability that lets it read this tenant alone, so that a mistake here can
// bring out nobody else's row. The capability is written in the transaction that uses it, which is rolled back at its end: it never
// exists for anybody else, and a crash leaves nothing. After it is written the transaction is read-only.

import type pg from 'pg'
import type { PlacedTenant } from '../../core/placement-adapter.ts'
import { AbortedError, ConnectionLostError, InvalidInputError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'
import type { FleetConnections } from '../fleet-connections.ts'
import { quoted } from '../table-shape.ts'
import { CopyConnection } from './copy-connection.ts'
import { type CopyTable, copyTables } from './copy-tables.ts'
import { type TableDigest, tableDigest } from './table-digest.ts'
import { fixTextForm, liftTimeLimits } from './text-form.ts'

/** Connections of one snapshot, at most. */
const connectionsMax = 16

export interface TenantSnapshotOptions {
  /** Tables that can be read at a time; each takes a connection to the tenant's database. Default 2, at most 16. */
  readonly connections?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** A tenant's rows as of one moment. It ends with the callback that was given it. */
export interface TenantSnapshot {
  readonly tenant: PlacedTenant
  /** The moment, by the clock of the tenant's database. */
  readonly takenAt: Date
  /** The server's version, e.g. `18.0`. */
  readonly serverVersion: string
  /** Where the write-ahead log was, e.g. `0/16B3748`. What was committed after it is not in the snapshot. */
  readonly lsn: string
  /** How many tables can be read at a time. */
  readonly connections: number
  /** Parents before children. */
  readonly tables: readonly CopyTable[]
  /**
   * The tenant's rows of a table in PostgreSQL's own text form, the columns `table.copied` in that order, one line for each row.
   * Nothing is read before it is taken. It waits while all connections are reading. Iterate to the end; leaving before spends a
   * connection.
   *
   * @throws {AbortedError} when the signal fires. {@link ConnectionLostError} when the connection breaks: begin anew.
   */
  copyOut(table: CopyTable): AsyncIterable<Buffer>
  /** The same of a query that reads: what it selects, in that order. */
  copyQuery(query: string): AsyncIterable<Buffer>
  /** Count and checksum of the tenant's rows of a table. */
  digest(table: CopyTable): Promise<TableDigest>
  /** Runs statements that read, in the snapshot, as the owner who sees this tenant's rows alone. */
  read<T>(fn: (connection: ControlConnection) => Promise<T>): Promise<T>
}

/**
 * Takes a snapshot of a tenant's rows, whatever its gate says, and runs `fn` with it. Writers are not disturbed, and do not disturb.
 *
 * @throws {CapabilityRefusedError} when the tenant's database knows no such tenant. {@link DatabaseUnavailableError} when it cannot be
 * reached. {@link AbortedError} when the signal fires.
 *
 * @example
 * ```ts
 * await openTenantSnapshot(fleet.connections, tenant, { signal }, async (snapshot) => {
 *   for (const table of snapshot.tables) await pipeline(snapshot.copyOut(table), createWriteStream(`${table.name}.copy`))
 * })
 * ```
 */
export async function openTenantSnapshot<T>(
  connections: Pick<FleetConnections, 'asMigrator'>,
  tenant: PlacedTenant,
  options: TenantSnapshotOptions,
  fn: (snapshot: TenantSnapshot) => Promise<T>,
): Promise<T> {
  const count = options.connections ?? 2
  if (!Number.isInteger(count) || count < 1 || count > connectionsMax) {
    throw new InvalidInputError(`A snapshot has 1 to ${connectionsMax} connections, not ${count}.`)
  }
  if (options.signal?.aborted) throw new AbortedError('The snapshot was cancelled before it was taken.')
  return await connections.asMigrator(tenant.placement.database, async (control) => {
    const clients: pg.Client[] = []
    const open = async (): Promise<CopyConnection> => {
      const client = await control.dedicated()
      clients.push(client)
      return new CopyConnection(client, options.signal)
    }
    try {
      const first = await open()
      const moment = await begin(first, tenant)
      const others: CopyConnection[] = []
      while (others.length < count - 1) {
        const other = await open()
        await join(other, tenant, moment.id)
        others.push(other)
      }
      const tables = await estimated(first, tenant, await copyTables(first, tenant))
      return await fn(snapshotOf(tenant, moment, tables, new Lent([first, ...others], options.signal)))
    } finally {
      // Closing rolls back: the capabilities were never there.
      await Promise.allSettled(clients.map((client) => client.end()))
    }
  })
}

interface Moment {
  readonly id: string
  readonly takenAt: Date
  readonly lsn: string
  readonly serverVersion: string
}

async function begin(connection: CopyConnection, tenant: PlacedTenant): Promise<Moment> {
  await connection.query('begin transaction isolation level repeatable read')
  await bindForReading(connection, tenant)
  const [moment] = await connection.query<Moment>(
    `select pg_catalog.pg_export_snapshot() as id, pg_catalog.transaction_timestamp() as "takenAt",
            pg_catalog.pg_current_wal_lsn()::text as lsn, current_setting('server_version') as "serverVersion"`,
  )
  return moment!
}

async function join(connection: CopyConnection, tenant: PlacedTenant, snapshot: string): Promise<void> {
  await connection.query('begin transaction isolation level repeatable read')
  // It is a statement's own word, and takes no parameters; PostgreSQL gave us the text, of digits and dashes.
  await connection.query(`set transaction snapshot '${snapshot.replace(/[^0-9A-Fa-f-]/g, '')}'`)
  await bindForReading(connection, tenant)
}

async function bindForReading(connection: CopyConnection, tenant: PlacedTenant): Promise<void> {
  const [issued] = await connection.query<{ capability: string }>(
    `insert into partywall.capabilities (capability, tenant_id, state, expires_at, issued_to, key_bigint, key_text)
     select gen_random_uuid(), g.tenant_id, 'read_only', 'infinity', 'copy', g.key_bigint, g.key_text
       from partywall.gates as g
      where g.tenant_id = $1
     returning capability`,
    [tenant.id],
  )
  // Without a gate there is nobody to read for: bind() refuses what is not known.
  await connection.query('select partywall.bind($1)', [issued?.capability ?? '00000000-0000-0000-0000-000000000000'])
  await connection.query('set transaction read only')
  await liftTimeLimits(connection)
  await fixTextForm(connection)
}

/** In shared tables the statistics are everybody's: there the planner is asked what it expects of one tenant. */
async function estimated(connection: CopyConnection, tenant: PlacedTenant, tables: readonly CopyTable[]): Promise<readonly CopyTable[]> {
  if (tenant.placement.isolation !== 'pooled') return tables
  const told: CopyTable[] = []
  for (const table of tables) {
    const [row] = await connection.query<{ 'QUERY PLAN': readonly [{ Plan: { 'Plan Rows': number } }] }>(
      `explain (format json) select from ${table.sqlName}`,
    )
    told.push({ ...table, rowsEstimated: row?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0 })
  }
  return told
}

function snapshotOf(tenant: PlacedTenant, moment: Moment, tables: readonly CopyTable[], lent: Lent): TenantSnapshot {
  const known = (table: CopyTable): CopyTable => {
    const found = tables.find(({ name }) => name === table.name)
    if (found === undefined) throw new InvalidInputError(`The snapshot has no table ${JSON.stringify(table.name)}.`)
    return found
  }
  const copyQuery = async function* (query: string): AsyncGenerator<Buffer> {
    const connection = await lent.take()
    try {
      yield* connection.copyOut(`copy (${query}) to stdout`)
    } finally {
      lent.giveBack(connection)
    }
  }
  return {
    tenant,
    takenAt: moment.takenAt,
    lsn: moment.lsn,
    serverVersion: moment.serverVersion,
    connections: lent.count,
    tables,
    async *copyOut(table) {
      const { sqlName, copied } = known(table)
      yield* copyQuery(`select ${copied.map(quoted).join(', ')} from ${sqlName}`)
    },
    copyQuery,
    digest: async (table) => {
      const { sqlName, copied, tenantColumn } = known(table)
      return await lent.use((connection) =>
        tableDigest(connection, { sqlName, columns: copied.filter((column) => column !== tenantColumn) }),
      )
    },
    read: async (fn) => await lent.use(fn),
  }
}

/** The connections of a snapshot: whoever wants one waits until another gives it back. */
class Lent {
  readonly #free: CopyConnection[]
  readonly #waiting: { readonly resolve: (connection: CopyConnection) => void; readonly reject: (error: Error) => void }[] = []
  readonly count: number
  readonly #signal: AbortSignal | undefined
  #alive: number

  constructor(connections: readonly CopyConnection[], signal: AbortSignal | undefined) {
    this.#signal = signal
    this.#free = [...connections]
    this.count = connections.length
    this.#alive = connections.length
  }

  async take(): Promise<CopyConnection> {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#alive === 0) throw this.#noneLeft()
    return await new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  giveBack(connection: CopyConnection): void {
    if (connection.isBroken) {
      this.#alive -= 1
      if (this.#alive === 0) for (const { reject } of this.#waiting.splice(0)) reject(this.#noneLeft())
      return
    }
    const next = this.#waiting.shift()
    if (next === undefined) this.#free.push(connection)
    else next.resolve(connection)
  }

  async use<T>(fn: (connection: CopyConnection) => Promise<T>): Promise<T> {
    const connection = await this.take()
    try {
      return await fn(connection)
    } finally {
      this.giveBack(connection)
    }
  }

  #noneLeft(): Error {
    if (this.#signal?.aborted) return new AbortedError('The snapshot was cancelled.')
    return new ConnectionLostError('No connection of the snapshot is left: each broke, or was left in the middle of a copy. Begin anew.', {
      retryable: true,
    })
  }
}
