// What one tenant's rows take, by PostgreSQL's own estimates: nothing is counted.

import pg from 'pg'
import type { PlacedTenant } from '../../core/placement-adapter.ts'
import { quoted } from '../table-shape.ts'
import type { MovePlace } from './survey.ts'
import { withTables } from './tables-of-place.ts'

export interface TableSize {
  readonly name: string
  readonly rows: number
  /** With indexes and what is stored out of line. */
  readonly bytes: number
}

type Asked = Pick<MovePlace, 'placement' | 'ownSchema' | 'query' | 'administer'>

interface Whole extends TableSize {
  readonly tenantColumn: string
  readonly type: 'uuid' | 'bigint' | 'text' | null
}

/** Of shared tables, where the planner may be asked; where it may not, the whole table's: too much, and never too little. */
export async function tenantSizes(place: Asked, tenant: Pick<PlacedTenant, 'id' | 'keys'>): Promise<readonly TableSize[]> {
  const tables = await place.query<Whole>(
    `${withTables}
     select t.name, t.tenant_column as "tenantColumn", partywall.tenant_key_type(t.oid, t.tenant_column) as type,
            sum(greatest(c.reltuples, -1)) filter (where c.relkind = 'r')::float8 as rows, sum(pg_total_relation_size(c.oid))::float8 as bytes
       from tables as t
       join members as m on m.root = t.oid
       join pg_catalog.pg_class as c on c.oid = m.oid
      group by t.oid, t.name, t.tenant_column
      order by t.name`,
    [place.ownSchema ?? null],
  )
  const sizes: TableSize[] = []
  for (const { name, tenantColumn, type, rows, bytes } of tables) {
    const whole = { name, rows: Math.max(0, rows), bytes }
    const key = type === null || type === 'uuid' ? tenant.id : tenant.keys[type]
    if (place.placement.isolation !== 'pooled') sizes.push(whole)
    else if (key === undefined) sizes.push({ name, rows: 0, bytes: 0 })
    else
      sizes.push(
        shareOf(whole, await estimate(place, `select from ${name} as t where t.${quoted(tenantColumn)} = ${pg.escapeLiteral(key)}`)),
      )
  }
  return sizes
}

function shareOf(whole: TableSize, rows: number | undefined): TableSize {
  if (rows === undefined) return whole
  return { name: whole.name, rows, bytes: whole.rows > 0 ? whole.bytes * Math.min(1, rows / whole.rows) : whole.bytes }
}

/** How many rows the planner thinks that it gives. The administrator is asked, since statistics are hidden from whom policies hold for. */
async function estimate(place: Asked, text: string): Promise<number | undefined> {
  try {
    const [row] = await place.administer<{ 'QUERY PLAN': readonly { readonly Plan: { readonly 'Plan Rows': number } }[] }>(
      `explain (format json) ${text}`,
    )
    return row?.['QUERY PLAN'][0]?.Plan['Plan Rows']
  } catch {
    return undefined
  }
}

/** All of it, in bytes. */
export function totalBytes(sizes: readonly TableSize[]): number {
  return sizes.reduce((sum, { bytes }) => sum + bytes, 0)
}
