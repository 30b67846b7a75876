// A throw-away tenancy for tests: a database of its own on a real PostgreSQL, with your migrations in it, gone at the end.

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Tenant } from '../core/tenant.ts'
import type { TenantContext } from '../core/tenant-context.ts'
import type { QueryResult } from '../postgres/result.ts'
import type { TenantTransaction } from '../postgres/transaction.ts'
import { createTenancy, type Tenancy } from '../tenancy.ts'
import type { TenancyOptions } from '../tenancy-options.ts'
import { GroundTruth } from './ground-truth.ts'
import { type KitDatabase, type KitServerOptions, type KitSession, openSession } from './host/session.ts'
import type { KitUrls } from './host/template.ts'

export interface TestTenancyOptions extends KitServerOptions {
  /** Directory of numbered SQL files: a URL, or a path from the working directory. They run once for each content, not for each test. */
  readonly migrations?: URL | string | undefined
  /** Overrides of what `createTenancy()` is called with, e.g. a pool of one connection. */
  readonly tenancy?: Partial<TenancyOptions> | undefined
}

/** A tenant of the cast, and what it does. */
export interface TestTenant extends Tenant {
  /** Runs `fn` in this tenant's scope, as a request of its own would. */
  run<T>(fn: (context: TenantContext) => T | Promise<T>): Promise<T>
  /** One statement of this tenant's. */
  query<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>>
  transaction<T>(fn: (tx: TenantTransaction) => Promise<T>): Promise<T>
}

/** A tenancy on a database of its own. Made by {@link testTenancy}. */
export class TestTenancy implements AsyncDisposable {
  readonly tenancy: Tenancy
  /** URLs of the database, by login. */
  readonly urls: KitUrls
  /** Reads as the superuser, whom no policy concerns. */
  readonly truth: GroundTruth
  readonly #session: KitSession
  readonly #database: KitDatabase
  readonly #cast = new Map<string, Promise<TestTenant>>()
  #closing: Promise<void> | undefined

  /** @internal */
  constructor(parts: { readonly tenancy: Tenancy; readonly session: KitSession; readonly database: KitDatabase }) {
    this.tenancy = parts.tenancy
    this.urls = parts.database.urls
    this.truth = new GroundTruth(parts.database.urls.superuser)
    this.#session = parts.session
    this.#database = parts.database
  }

  /** One of the cast, by its slug: made at the first call, the same at every other. */
  tenant(slug: string): Promise<TestTenant> {
    const known = this.#cast.get(slug)
    if (known !== undefined) return known
    const joining = this.#join(slug)
    this.#cast.set(slug, joining)
    joining.catch(() => this.#cast.delete(slug))
    return joining
  }

  async #join(slug: string): Promise<TestTenant> {
    const { tenancy } = this
    // Tables of an application that existed before may know tenants by a number or a text.
    const keys = { bigint: String(this.#cast.size), text: slug }
    const tenant = await tenancy.tenants.create({ slug, name: slug, keys })
    const run: TestTenant['run'] = (fn) => tenancy.run(tenant.id, fn)
    return {
      ...tenant,
      run,
      query: (text, values) => run(() => tenancy.query(text, values)),
      transaction: (fn) => run(() => tenancy.transaction(fn)),
    }
  }

  /** Closes the tenancy and drops the database. Further calls wait for the same. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      await this.tenancy.close()
      await this.truth.close()
      await this.#database.drop()
    } finally {
      await this.#session.release()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * Makes a throw-away tenancy: real PostgreSQL, real wall, your tables, nobody in it. It works as root and not, and in as many test
 * processes side by side as there are: they share one server, which ends with the last of them.
 *
 * @example
 * ```ts
 * await using kit = await testTenancy({ migrations: 'migrations' })
 * const [alice, bob] = [await kit.tenant('alice'), await kit.tenant('bob')]
 * await alice.query('insert into documents (title) values ($1)', ['of alice'])
 * assert.equal((await bob.query('select * from documents')).rows.length, 0)
 * assert.equal(await kit.truth.count('documents'), 1)
 * ```
 *
 * @throws {MigrationError} {@link TableRefusedError} when a migration fails, or a table of it is not behind the wall.
 * @throws {DatabaseUnavailableError} {@link ConfigurationError} when there is no server to be had.
 */
export async function testTenancy(options: TestTenancyOptions = {}): Promise<TestTenancy> {
  const session = await openSession(options)
  let database: KitDatabase | undefined
  try {
    database = await session.database(directoryOf(options.migrations))
    const { gatekeeper, app, migrator } = database.urls
    const tenancy = await createTenancy({ catalog: gatekeeper, database: app, admin: migrator, ...options.tenancy })
    return new TestTenancy({ tenancy, session, database })
  } catch (error) {
    await database?.drop()
    await session.release()
    throw error
  }
}

function directoryOf(migrations: URL | string | undefined): URL | undefined {
  return typeof migrations === 'string' ? pathToFileURL(`${resolve(migrations)}/`) : migrations
}
