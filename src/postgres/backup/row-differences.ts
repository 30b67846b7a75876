// In what the rows of two tenants differ: table by table, by their keys. Both sides are read in the order of the keys, a piece at a
// time, so that memory is the same for any number of rows; only a few of the keys are kept.

import type { TableDifference } from '../../backup/row-source.ts'
import type { ControlConnection } from '../control-pool.ts'
import type { CopyTable } from '../copy/copy-tables.ts'
import { rowHash } from '../copy/table-digest.ts'
import type { TenantSnapshot } from '../copy/tenant-snapshot.ts'
import { quoted } from '../table-shape.ts'
import { rowKey } from './write-rows.ts'

export interface DifferenceOptions {
  /** Only these. Default: all. */
  readonly tables?: readonly string[] | undefined
  /** So many keys of each kind are told, at most. */
  readonly keysMax: number
}

/** What `right` has and `left` has not, and so on. Tables that only one of them has are compared with nothing. */
export async function differencesOf(
  left: TenantSnapshot,
  right: TenantSnapshot,
  { tables, keysMax }: DifferenceOptions,
): Promise<readonly TableDifference[]> {
  const names = [...new Set([...left.tables, ...right.tables].map(({ name }) => name))].filter((name) => tables?.includes(name) ?? true)
  const found: TableDifference[] = []
  for (const name of names) {
    const [ours, theirs] = [left, right].map((side) => side.tables.find((table) => table.name === name))
    found.push(await differenceOf(name, [left, ours], [right, theirs], keysMax))
  }
  return found
}

type Side = readonly [TenantSnapshot, CopyTable | undefined]

async function differenceOf(name: string, [left, ours]: Side, [right, theirs]: Side, keysMax: number): Promise<TableDifference> {
  const rows = {
    left: ours === undefined ? 0 : (await left.digest(ours)).rows,
    right: theirs === undefined ? 0 : (await right.digest(theirs)).rows,
  }
  const table = ours ?? theirs
  // Columns that only one of them has say nothing of the rows.
  const columns = (ours ?? theirs)!.copied.filter((column) => column !== table!.tenantColumn && (theirs ?? ours)!.copied.includes(column))
  const collected = { onlyLeft: new Keys(keysMax), onlyRight: new Keys(keysMax), changed: new Keys(keysMax) }
  if (table!.key.length === 0) return { table: name, key: undefined, rows, ...told(collected) }
  const read = async <T>(snapshot: TenantSnapshot, fn: (connection: ControlConnection) => Promise<T>): Promise<T> => await snapshot.read(fn)
  await read(left, async (one) =>
    read(right, async (two) => {
      const pair = [keyedRows(one, ours, columns), keyedRows(two, theirs, columns)] as const
      await mergeJoin(pair, collected)
    }),
  )
  return { table: name, key: rowKey(table!), rows, ...told(collected) }
}

interface KeyedRow {
  readonly key: readonly string[]
  readonly hash: string
}

/** Of many keys the first few, and how many there are. */
class Keys {
  count = 0
  readonly first: (readonly string[])[] = []
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  add(key: readonly string[]): void {
    this.count += 1
    if (this.first.length < this.#max) this.first.push(key)
  }
}

interface Collected {
  readonly onlyLeft: Keys
  readonly onlyRight: Keys
  readonly changed: Keys
}

function told({ onlyLeft, onlyRight, changed }: Collected): Pick<TableDifference, 'onlyLeft' | 'onlyRight' | 'changed'> {
  const plain = ({ count, first }: Keys) => ({ count, keys: first })
  return { onlyLeft: plain(onlyLeft), onlyRight: plain(onlyRight), changed: plain(changed) }
}

async function mergeJoin([left, right]: readonly [AsyncGenerator<KeyedRow>, AsyncGenerator<KeyedRow>], found: Collected): Promise<void> {
  let [one, two] = [await left.next(), await right.next()]
  while (one.done !== true || two.done !== true) {
    const order = one.done === true ? 1 : two.done === true ? -1 : compareKeys(one.value.key, two.value.key)
    if (order < 0) found.onlyLeft.add((one.value as KeyedRow).key)
    else if (order > 0) found.onlyRight.add((two.value as KeyedRow).key)
    else if ((one.value as KeyedRow).hash !== (two.value as KeyedRow).hash) found.changed.add((one.value as KeyedRow).key)
    if (order <= 0) one = await left.next()
    if (order >= 0) two = await right.next()
  }
}

/** Byte by byte, as PostgreSQL's collation "C" has it: JavaScript's own order is another one beyond the basic plane. */
function compareKeys(one: readonly string[], two: readonly string[]): number {
  for (const [index, text] of one.entries()) {
    const order = Buffer.compare(Buffer.from(text), Buffer.from(two[index]!))
    if (order !== 0) return order
  }
  return 0
}

const pieceRows = 2_000

async function* keyedRows(
  connection: ControlConnection,
  table: CopyTable | undefined,
  columns: readonly string[],
): AsyncGenerator<KeyedRow> {
  if (table === undefined) return
  const key = rowKey(table).map((column) => `(t.${quoted(column)})::text collate "C"`)
  await connection.query(
    `declare partywall_keys no scroll cursor for
     select array[${key.join(', ')}]::text[] as key, ${rowHash(columns)}::text as hash from ${table.sqlName} as t
     ${key.length === 0 ? '' : `order by ${key.join(', ')}`}`,
  )
  for (;;) {
    const piece = await connection.query<KeyedRow>(`fetch ${pieceRows} from partywall_keys`)
    yield* piece
    if (piece.length < pieceRows) break
  }
  await connection.query('close partywall_keys')
}
