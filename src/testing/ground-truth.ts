// What is really there, as the superuser sees it: no policy, no tenant, no wall. Every verdict of the kit is judged by it.

import { type ControlConnection, ControlPool } from '../postgres/control-pool.ts'
import { appSchema } from '../postgres/roles.ts'
import { quoted } from '../postgres/table-shape.ts'

/** Reads behind the wall. Unqualified names are the application's tables. */
export class GroundTruth {
  readonly #pool: ControlPool

  constructor(superuserUrl: string) {
    const url = new URL(superuserUrl)
    url.searchParams.set('options', `-c search_path=${appSchema},public`)
    this.#pool = new ControlPool({ connectionString: url.href, applicationName: 'partywall kit truth', statementTimeoutMs: 60_000 })
  }

  /** Any statement, as the superuser. */
  async query<Row extends object = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<readonly Row[]> {
    return await this.#pool.query<Row>(text, values)
  }

  /** Rows of a table, of all tenants or of one. The table is `documents`, or `schema.documents`. */
  async count(table: string, tenantId?: string): Promise<number> {
    const name = table.split('.').map(quoted).join('.')
    const [row] = await this.query<{ count: number }>(
      `select count(*)::int as count from ${name} as t where $1::text is null or t.tenant_id::text = $1`,
      [tenantId ?? null],
    )
    return row?.count ?? 0
  }

  /** Several statements, all or none. */
  async transaction<T>(fn: (connection: ControlConnection) => Promise<T>): Promise<T> {
    return await this.#pool.transaction(fn)
  }

  async close(): Promise<void> {
    await this.#pool.close()
  }
}
