// Rows that are to come into a tenant's tables, first in temporary tables beside them: no policies hold there, no constraint, and
// nobody else sees them. What comes out of there goes through the policies like everything else.

import type { RowStream } from '../../backup/row-source.ts'
import type { KeyedTenant } from '../../core/tenant-key.ts'
import { ConfigurationError } from '../../errors.ts'
import type { CopyConnection } from '../copy/copy-connection.ts'
import type { CopyTable } from '../copy/copy-tables.ts'
import { quoted } from '../table-shape.ts'
import { renamedRows } from './renamed-rows.ts'

/** A table and the temporary one whose rows are for it. */
export interface StagedTable {
  readonly table: CopyTable
  readonly columns: readonly string[]
  /** Quoted. */
  readonly stage: string
  readonly rows: number
}

/**
 * Copies rows into temporary tables that end with the transaction.
 *
 * @throws {ConfigurationError} when the place has no such table or column.
 */
export async function stageRows(
  connection: CopyConnection,
  present: readonly CopyTable[],
  streams: readonly RowStream[],
  { of, to, signal }: { readonly of: KeyedTenant; readonly to: KeyedTenant; readonly signal: AbortSignal | undefined },
): Promise<readonly StagedTable[]> {
  const staged: StagedTable[] = []
  for (const [index, stream] of streams.entries()) {
    const table = present.find(({ name }) => name === stream.table)
    if (table === undefined) throw new ConfigurationError(`There is no table ${JSON.stringify(stream.table)} where the tenant lives now.`)
    const stranger = stream.columns.find((column) => !table.copied.includes(column))
    if (stranger !== undefined)
      throw new ConfigurationError(`The table ${table.name} has no column ${JSON.stringify(stranger)} to write to.`)
    const stage = `pg_temp.partywall_stage_${index}`
    const columns = stream.columns.map(quoted).join(', ')
    await connection.query(
      `create temporary table partywall_stage_${index} on commit drop as select ${columns} from ${table.sqlName} with no data`,
    )
    const rows = await connection.copyIn(`copy ${stage} (${columns}) from stdin`, renamedRows(stream, { from: of, to }, signal))
    await connection.query(`analyze ${stage}`)
    staged.push({ table, columns: stream.columns, stage, rows })
  }
  // Parents first, as `present` is.
  return present.flatMap((table) => staged.filter((each) => each.table === table))
}
