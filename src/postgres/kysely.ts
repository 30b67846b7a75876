// Kysely above the wall. A single statement goes straight to a lease, without a connection to take and give back; a transaction
// is a TenantTransaction; a stream reads a portal inside one.

import {
  type CompiledQuery,
  type ConnectionProvider,
  type DatabaseConnection,
  DefaultConnectionProvider,
  DefaultQueryExecutor,
  type Dialect,
  type Driver,
  Kysely,
  type KyselyPlugin,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
  type TransactionSettings,
  WithSchemaPlugin,
} from 'kysely'
import pg from 'pg'
import type { TenantContext, TenantScope } from '../core/tenant-context.ts'
import { InvalidInputError, StatementRefusedError } from '../errors.ts'
import { type ProtectedTables, scopeQuery } from './kysely-predicate.ts'
import type { Leases, Statement } from './lease.ts'
import type { QueryResult as LeaseResult } from './result.ts'
import { TenantTransaction } from './transaction.ts'

export interface TenantKyselyOptions {
  readonly leases: Leases
  readonly scope: TenantScope
  /** The protected tables, as of now: asked for at every query, so it only looks up. */
  readonly tables: () => ProtectedTables
  /** Plugins that come before ours, e.g. CamelCasePlugin. */
  readonly plugins?: readonly KyselyPlugin[] | undefined
}

/**
 * A Kysely for the tenant of whoever executes. Make one and keep it; queries may be built anywhere and run in any scope.
 *
 * Every protected table gets the explicit tenant, and every inserted row its `tenant_id`: a schema type may leave the column
 * out, or have it as `Generated<string>`. Raw `sql` fragments are left as they are: the wall is in the policies.
 *
 * @throws from queries, in addition to what leases throw: {@link TenantColumnError}, {@link WrongTenantError}.
 */
export function tenantKysely<Schema>(options: TenantKyselyOptions): Kysely<Schema> {
  const driver = new TenantDriver(options)
  const plugins = [...(options.plugins ?? []), new TenantPlugin(options)]
  const executor = new TenantExecutor(options, new DefaultConnectionProvider(driver), plugins)
  const dialect: Dialect = {
    createDriver: () => driver,
    createAdapter: () => new PostgresAdapter(),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createIntrospector: (db) => new PostgresIntrospector(db),
  }
  return new Kysely<Schema>({ config: { dialect }, dialect, driver, executor })
}

class TenantPlugin implements KyselyPlugin {
  readonly #options: TenantKyselyOptions

  constructor(options: TenantKyselyOptions) {
    this.#options = options
  }

  transformQuery({ node }: Parameters<KyselyPlugin['transformQuery']>[0]) {
    // A part of a query may be built outside every scope; the whole is scoped when it runs.
    const context = this.#options.scope.tryCurrent()
    return context === undefined ? node : scopeQuery(node, this.#options.tables(), context.tenant)
  }

  async transformResult({ result }: Parameters<KyselyPlugin['transformResult']>[0]) {
    return result
  }
}

/** Runs single statements by themselves. */
class TenantExecutor extends DefaultQueryExecutor {
  readonly #options: TenantKyselyOptions
  readonly #provider: ConnectionProvider
  readonly #isDirect: boolean

  constructor(options: TenantKyselyOptions, provider: ConnectionProvider, plugins: readonly KyselyPlugin[]) {
    super(new PostgresQueryCompiler(), new PostgresAdapter(), provider, [...plugins])
    this.#options = options
    this.#provider = provider
    // These two change queries alone; any other may want to see the results.
    this.#isDirect = plugins.every((plugin) => plugin instanceof TenantPlugin || plugin instanceof WithSchemaPlugin)
  }

  override executeQuery<R>(query: CompiledQuery, options?: Parameters<DefaultQueryExecutor['executeQuery']>[1]): Promise<QueryResult<R>> {
    if (!this.#isDirect || options?.signal !== undefined) return super.executeQuery<R>(query, options)
    return this.#lease<R>(query)
  }

  async #lease<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { leases, scope } = this.#options
    return asKyselyResult(await leases.query<R>(scope.current(), statementOf(query)))
  }

  override withPlugins(plugins: readonly KyselyPlugin[]): TenantExecutor {
    return new TenantExecutor(this.#options, this.#provider, [...this.plugins, ...plugins])
  }

  override withPlugin(plugin: KyselyPlugin): TenantExecutor {
    return this.withPlugins([plugin])
  }

  override withPluginAtFront(plugin: KyselyPlugin): TenantExecutor {
    return new TenantExecutor(this.#options, this.#provider, [plugin, ...this.plugins])
  }

  /** Without plugins there is still the wall; the explicit tenant stays too. */
  override withoutPlugins(): TenantExecutor {
    return new TenantExecutor(this.#options, this.#provider, [new TenantPlugin(this.#options)])
  }
}

class TenantDriver implements Driver {
  readonly #options: TenantKyselyOptions

  constructor(options: TenantKyselyOptions) {
    this.#options = options
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<TenantConnection> {
    return new TenantConnection(this.#options, this.#options.scope.current())
  }

  async beginTransaction(connection: TenantConnection, settings: TransactionSettings): Promise<void> {
    connection.begin(settings)
  }

  async commitTransaction(connection: TenantConnection): Promise<void> {
    await connection.transaction().commit()
  }

  async rollbackTransaction(connection: TenantConnection): Promise<void> {
    const tx = connection.transaction()
    // A COMMIT that failed has ended it already.
    if (tx.isOpen) await tx.rollback()
  }

  async savepoint(connection: TenantConnection, name: string): Promise<void> {
    await connection.transaction().run({ text: `savepoint ${pg.escapeIdentifier(name)}` })
  }

  async rollbackToSavepoint(connection: TenantConnection, name: string): Promise<void> {
    await connection.transaction().run({ text: `rollback to savepoint ${pg.escapeIdentifier(name)}` })
  }

  async releaseSavepoint(connection: TenantConnection, name: string): Promise<void> {
    await connection.transaction().run({ text: `release savepoint ${pg.escapeIdentifier(name)}` })
  }

  async releaseConnection(connection: TenantConnection): Promise<void> {
    await connection.close()
  }

  /** The connections are the tenancy's: it closes them. */
  async destroy(): Promise<void> {}
}

/** One tenant's, for as long as Kysely holds it. It has a real connection only inside a transaction. */
class TenantConnection implements DatabaseConnection {
  readonly #options: TenantKyselyOptions
  readonly #context: TenantContext
  #tx: TenantTransaction | undefined

  constructor(options: TenantKyselyOptions, context: TenantContext) {
    this.#options = options
    this.#context = context
  }

  begin({ isolationLevel, accessMode }: TransactionSettings): void {
    if (isolationLevel === 'snapshot') throw new InvalidInputError('PostgreSQL has no isolation level snapshot; repeatable read is one.')
    this.#tx = new TenantTransaction(this.#options.leases, this.#context, {
      isolation: isolationLevel === 'read uncommitted' ? 'read committed' : isolationLevel,
      readOnly: accessMode === 'read only',
    })
    if (accessMode === 'read write') this.#tx.addModes('read write')
  }

  transaction(): TenantTransaction {
    if (this.#tx === undefined) throw new StatementRefusedError('There is no transaction on this connection.')
    return this.#tx
  }

  async executeQuery<R>(query: CompiledQuery, options?: { readonly signal?: AbortSignal }): Promise<QueryResult<R>> {
    const context = this.#options.scope.check(this.#context)
    const statement = { ...statementOf(query), signal: options?.signal }
    const tx = this.#tx
    return asKyselyResult<R>(tx?.isOpen ? await tx.run<R>(statement) : await this.#options.leases.query<R>(context, statement))
  }

  /** In a transaction, or in one of its own, which is committed when the reader has had enough. */
  async *streamQuery<R>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    const context = this.#options.scope.check(this.#context)
    if (this.#tx?.isOpen) {
      yield* chunks<R>(this.#tx, query, chunkSize)
      return
    }
    const own = new TenantTransaction(this.#options.leases, context)
    let hasFailed = false
    try {
      yield* chunks<R>(own, query, chunkSize)
    } catch (error) {
      hasFailed = true
      throw error
    } finally {
      if (hasFailed) await own.rollback()
      else await own.commit()
    }
  }

  async close(): Promise<void> {
    if (this.#tx?.isOpen) await this.#tx.rollback()
  }
}

async function* chunks<R>(tx: TenantTransaction, query: CompiledQuery, chunkSize: number): AsyncGenerator<QueryResult<R>, void, void> {
  let rows: R[] = []
  for await (const row of tx.stream<R>(query.sql, query.parameters, { batchSize: chunkSize })) {
    rows.push(row)
    if (rows.length < chunkSize) continue
    yield { rows }
    rows = []
  }
  if (rows.length > 0) yield { rows }
}

function statementOf({ sql, parameters }: CompiledQuery): Statement {
  return { text: sql, values: parameters }
}

function asKyselyResult<R>({ command, rowCount, rows }: LeaseResult<R>): QueryResult<R> {
  const isWrite = command === 'INSERT' || command === 'UPDATE' || command === 'DELETE' || command === 'MERGE'
  return isWrite && rowCount !== null ? { numAffectedRows: BigInt(rowCount), rows } : { rows }
}
