// Which rows differ, when two digests say that some do. Memory is bounded however many rows there are: both sides are compared in
// buckets by a hash of the key, and only buckets that differ are read, one at a time.

import type { ControlConnection } from '../control-pool.ts'
import { quoted } from '../table-shape.ts'
import { type DigestedRows, rowHash, whereOf } from './table-digest.ts'
import { fixTextForm } from './text-form.ts'

/** Of ten million rows, each bucket has about 2,500. */
const buckets = 4096

/** @see differingRows */
export interface ComparedRows extends DigestedRows {
  /** What tells a row from every other: the primary key. The tenant's column may be left out. */
  readonly key: readonly string[]
}

export interface Side {
  /** One of a transaction: it sets how values become text until its end. */
  readonly connection: ControlConnection
  readonly rows: ComparedRows
}

export interface DifferingRow {
  /** The values of the key, as text. */
  readonly key: readonly string[]
  /** `left`, `right`: it is there alone. `both`: it is on both sides, and not the same. */
  readonly where: 'left' | 'right' | 'both'
}

/** Names rows that differ, at most `limit` of them (default 20), in no particular order. */
export async function differingRows(left: Side, right: Side, { limit = 20 } = {}): Promise<readonly DifferingRow[]> {
  const [ours, theirs] = await Promise.all([bucketsOf(left), bucketsOf(right)])
  const found: DifferingRow[] = []
  for (const bucket of new Set([...ours.keys(), ...theirs.keys()])) {
    if (found.length >= limit) break
    if (ours.get(bucket) === theirs.get(bucket)) continue
    const [here, there] = await Promise.all([rowsOf(left, bucket), rowsOf(right, bucket)])
    found.push(...compared(here, there))
  }
  return found.slice(0, limit)
}

async function bucketsOf({ connection, rows }: Side): Promise<ReadonlyMap<number, string>> {
  await fixTextForm(connection)
  const { where, values } = whereOf(rows)
  const found = await connection.query<{ bucket: number; digest: string }>(
    `select ${bucketOf(rows.key)} as bucket, count(*) || ' ' || sum(${rowHash(rows.columns)}) as digest
       from ${rows.sqlName} as t${where}
      group by 1`,
    values,
  )
  return new Map(found.map(({ bucket, digest }) => [bucket, digest]))
}

async function rowsOf({ connection, rows }: Side, bucket: number): Promise<ReadonlyMap<string, string>> {
  const { where, values } = whereOf(rows)
  const found = await connection.query<{ key: readonly string[]; hash: string }>(
    `select array[${rows.key.map((column) => `t.${quoted(column)}::text`).join(', ')}] as key, ${rowHash(rows.columns)}::text as hash
       from ${rows.sqlName} as t${where}${where === '' ? ' where' : ' and'} ${bucketOf(rows.key)} = ${bucket}`,
    values,
  )
  return new Map(found.map(({ key, hash }) => [JSON.stringify(key), hash]))
}

function bucketOf(key: readonly string[]): string {
  return `(${rowHash(key)} & ${buckets - 1})::int`
}

function compared(left: ReadonlyMap<string, string>, right: ReadonlyMap<string, string>): readonly DifferingRow[] {
  const differing: DifferingRow[] = []
  for (const [key, hash] of left) {
    if (right.get(key) !== hash) differing.push({ key: JSON.parse(key) as string[], where: right.has(key) ? 'both' : 'left' })
  }
  for (const key of right.keys()) if (!left.has(key)) differing.push({ key: JSON.parse(key) as string[], where: 'right' })
  return differing
}
