// One tenant's rows copied into another tenant's place, under a mask, as of one moment: straight from one connection to the other,
// so that memory is flat and nothing touches a disk on the way.

import { randomBytes, randomUUID } from 'node:crypto'
import type { CustomMasks, MaskRule } from '../../core/mask.ts'
import { type ColumnReference, type MaskableColumn, maskPlan } from '../../core/mask-plan.ts'
import { maskOf } from '../../core/mask-values.ts'
import type { PlacedTenant } from '../../core/placement-adapter.ts'
import { tenantKey } from '../../core/tenant-key.ts'
import { InvalidInputError } from '../../errors.ts'
import type { CopiedRows, CopyRowsOptions, CopyWish, TenantCopier } from '../../operations/tenant-copier.ts'
import { isAuditTable } from '../audit-tables.ts'
import type { ControlConnection } from '../control-pool.ts'
import type { TransferAccess } from '../transfer-login.ts'
import type { CopyTable } from './copy-tables.ts'
import { copyTables } from './copy-tables.ts'
import { type RewriteValue, rewriteCopyText } from './copy-text.ts'
import { loadTenant } from './tenant-load.ts'
import { openTenantSnapshot } from './tenant-snapshot.ts'
import { asTransfer } from './transfer-session.ts'

export interface PostgresTenantCopierOptions extends TransferAccess {
  /** The application's own masks, for the rule `custom`. */
  readonly masks?: CustomMasks | undefined
}

type Target = Pick<PlacedTenant, 'keys'>

/** Copies between any two placements. */
export class PostgresTenantCopier implements TenantCopier {
  readonly #access: TransferAccess
  readonly masks: CustomMasks

  constructor({ masks = {}, ...access }: PostgresTenantCopierOptions) {
    this.#access = access
    this.masks = masks
  }

  async check(source: PlacedTenant, target: Target, wish: CopyWish): Promise<void> {
    await this.#access.connections.asMigrator(source.placement.database, async (control) => {
      await this.#plan(control, copiedOf(await copyTables(control, source)), target, wish)
    })
  }

  async copy(source: PlacedTenant, target: PlacedTenant, wish: CopyWish, options: CopyRowsOptions): Promise<CopiedRows> {
    const { signal, onProgress } = options
    return await openTenantSnapshot(this.#access.connections, source, { connections: 1, signal }, async (snapshot) => {
      // Asked again, within the snapshot: a column that came since the check is not copied without a rule.
      const copied = copiedOf(snapshot.tables)
      const rules = await snapshot.read((connection) => this.#plan(connection, copied, target, wish))
      const rewrites = this.#rewrites(copied, target, rules)
      const transfer = { id: randomUUID(), tenant: target }
      const tables = await asTransfer(this.#access, transfer, (url) =>
        loadTenant({
          url,
          tenant: target,
          signal,
          tables: copied.map((table) => ({
            table: table.name,
            columns: table.copied,
            rows: () => rewriteCopyText(snapshot.copyOut(table), table.copied, rewrites.get(table.name)!),
          })),
          onTable: ({ table, rows }) => onProgress?.(`${table}: ${rows} rows`),
        }),
      )
      return { takenAt: snapshot.takenAt.toISOString(), tables }
    })
  }

  async #plan(
    connection: ControlConnection,
    tables: readonly CopyTable[],
    target: Target,
    { mask, allowsUnmasked }: CopyWish,
  ): Promise<ReadonlyMap<string, MaskRule>> {
    for (const { name, tenantType } of tables) {
      if (tenantType === 'uuid' || target.keys[tenantType] !== undefined) continue
      throw new InvalidInputError(`${name} knows its tenants by a ${tenantType} key, and the copy has none: give it one that is its own.`)
    }
    const columns = tables.flatMap((table) =>
      table.columns.map(
        ({ name, type, isNullable, isGenerated }): MaskableColumn => ({
          table: table.name,
          column: name,
          type,
          isNullable,
          isFixed: isGenerated || name === table.tenantColumn,
        }),
      ),
    )
    return maskPlan(columns, await referencesOf(connection, tables), { mask, allowsUnmasked, masks: this.masks })
  }

  /** With a key of this copy alone, which nobody keeps. */
  #rewrites(
    tables: readonly CopyTable[],
    target: PlacedTenant,
    rules: ReadonlyMap<string, MaskRule>,
  ): ReadonlyMap<string, ReadonlyMap<string, RewriteValue>> {
    const secrets = { key: randomBytes(32), masks: this.masks }
    return new Map(
      tables.map((table) => {
        const own = tenantKey(target, table.tenantType)
        const rewrites = new Map<string, RewriteValue>([[table.tenantColumn, () => own]])
        for (const { name: column, type, isNullable } of table.columns) {
          const rule = rules.get(`${table.name}.${column}`)
          if (rule !== undefined) rewrites.set(column, maskOf(rule, { table: table.name, column, type, isNullable }, secrets))
        }
        return [table.name, rewrites]
      }),
    )
  }
}

/** Who did what to the original is in no copy of it: no mask would be deep enough. */
function copiedOf(tables: readonly CopyTable[]): readonly CopyTable[] {
  return tables.filter((table) => !isAuditTable(table))
}

/** Foreign keys among the tables, column by column, without those of the tenant. */
async function referencesOf(connection: ControlConnection, tables: readonly CopyTable[]): Promise<readonly ColumnReference[]> {
  const found = await connection.query<{ table: string; column: string; parent: string; parentColumn: string }>(
    `select c.relname::text as table, a.attname::text as column, r.relname::text as parent, b.attname::text as "parentColumn"
       from pg_catalog.pg_constraint as k
       join pg_catalog.pg_class as c on c.oid = k.conrelid
       join pg_catalog.pg_class as r on r.oid = k.confrelid
      cross join lateral unnest(k.conkey, k.confkey) as pair (here, there)
       join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = pair.here
       join pg_catalog.pg_attribute as b on b.attrelid = k.confrelid and b.attnum = pair.there
      where k.contype = 'f' and k.conparentid = 0
        and c.relnamespace = $1::regnamespace and r.relnamespace = $1::regnamespace`,
    [tables[0]?.schema ?? 'pg_catalog'],
  )
  const byName = new Map(tables.map((table) => [table.name, table]))
  return found
    .filter(({ table, column, parent }) => byName.has(parent) && byName.get(table)?.tenantColumn !== column && byName.has(table))
    .map(({ table, column, parent, parentColumn }) => ({ from: `${table}.${column}`, to: `${parent}.${parentColumn}` }))
}
