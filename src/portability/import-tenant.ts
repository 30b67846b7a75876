// Writes the rows of an export into one tenant: files are believed only as far as their manifest goes, and rows only as far as the
// database takes them. Every row that is refused is named, with the reason.
//
//   verify files ─► compare columns ─► pass 1: every table, parents first ─► pass 2: references that had to wait ─► done
//
//   atomic      one transaction around all of it; a refused row undoes it, unless refused rows are to be left out
//   resumable   a transaction for each batch, with how far the import is: whatever kills it, it goes on there

import { join } from 'node:path'
import { v7 } from 'uuid'
import { AbortedError, ConfigurationError, InvalidInputError } from '../errors.ts'
import { makeExportDirectory } from './export-file.ts'
import { verifyFiles } from './import-files.ts'
import { type PlannedTable, planImport } from './import-plan.ts'
import { columnProblem } from './import-row.ts'
import { type ImportRun, runPasses } from './import-run.ts'
import { beginImport } from './import-state.ts'
import {
  type ImportMode,
  type ImportProgress,
  type ImportTarget,
  type ImportTold,
  nothingYet,
  type TableProgress,
} from './import-target.ts'
import { type ReadManifest, readManifest } from './manifest.ts'
import { mappedColumns } from './map-ids.ts'
import { openRows } from './open-rows.ts'
import { RefusalFile } from './refusals.ts'

export interface ImportOptions {
  /** The directory of an export, or of files that somebody else wrote with a manifest. */
  readonly from: string
  /** What is done with a row whose key is there already: it is refused, or the row there is changed. Default `insert`. */
  readonly mode?: ImportMode | undefined
  /** Give every row whose key is a uuid a new one, and change what refers to it. Default: rows keep their ids. */
  readonly mapIds?: boolean | undefined
  /** Commit in batches, and go on after whatever ended it. Refused rows are left out. Default: all or nothing. */
  readonly resumable?: boolean | undefined
  /** All or nothing, but for the rows that are refused. Default: one refused row undoes all. */
  readonly skipRefused?: boolean | undefined
  /** Do everything, and undo it. */
  readonly dryRun?: boolean | undefined
  /** Where `import.json` and `refused.jsonl` are written. Default: `from`. */
  readonly reportTo?: string | undefined
  /** Rows of a batch, at most. Default 1,000. */
  readonly batchRows?: number | undefined
  /** Longest line or row, in bytes. Default 16 MiB. */
  readonly lineBytesMax?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: ImportTold) => void) | undefined
}

export interface ImportReport {
  readonly importId: string
  readonly tenant: string
  /** `done`: the rows are there. `undone`: some were refused, and nothing was written. `tried`: it was a dry run. */
  readonly outcome: 'done' | 'undone' | 'tried'
  /** Had all of it been done by an earlier call? */
  readonly wasDone: boolean
  readonly tables: readonly ({ readonly table: string } & TableProgress)[]
  /** Of a dry run, what would have been; of what was undone, none. */
  readonly written: number
  readonly refused: number
  /** Rows that are there without a reference which was refused. */
  readonly unlinked: number
  /** Where every refused row is named. */
  readonly refusedFile: string
}

const refusedFile = 'refused.jsonl'
const batchRowsDefault = 1_000

/**
 * @throws {ConfigurationError} for options that contradict each other, or when the report cannot be written.
 * @throws {InvalidInputError} when the files are not as their manifest says, or do not fit the tenant's tables. Nothing was written.
 * @throws {AbortedError} when the signal fires: what was committed stays, and a resumable import goes on when it is called again.
 */
export async function importTenant(tenant: string, target: ImportTarget, options: ImportOptions): Promise<ImportReport> {
  const { from, mode = 'insert', mapIds = false, resumable = false, skipRefused = false, dryRun = false, reportTo = from, signal } = options
  if (resumable && dryRun) throw new ConfigurationError('A dry run undoes all of it, and a resumable import nothing: choose one.')
  const read = await readManifest(from)
  await verifyFiles(from, read.manifest, signal)
  const tables = await target.tables()
  const plan = planImport(tables, read.manifest.tables)
  await assertColumns(plan, read, options)
  await makeExportDirectory(reportTo)
  const terms = { tenant, manifestSha256: read.sha256, mode, mapIds, isAtomic: !resumable }
  // What is undone anyway leaves no word that it was begun.
  const { importId, saved } = dryRun ? { importId: v7(), saved: undefined } : await beginImport(reportTo, terms, target)
  const path = join(reportTo, refusedFile)
  const reported = (progress: ImportProgress, outcome: ImportReport['outcome'], wasDone = false): ImportReport =>
    reportOf({ importId, tenant, outcome, wasDone, refusedFile: path }, plan, progress)
  if (saved?.isDone === true) return reported(saved.progress, 'done', true)

  const refusals = await RefusalFile.open(path)
  const { manifest } = read
  const run: ImportRun = {
    importId,
    target,
    plan,
    refusals,
    ids: mapIds ? mappedColumns(tables) : undefined,
    mode,
    batchRows: batchRowsOf(options.batchRows),
    rowsOf: ({ table, file }) => openRows(join(from, file.file), table, { ...manifest, lineBytesMax: options.lineBytesMax }),
    rowsTotal: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
    signal,
    onProgress: options.onProgress,
  }
  try {
    if (resumable) return reported(await runPasses(run, saved!), 'done')
    return await allOrNothing(run, { skipRefused, dryRun, reported })
  } finally {
    await refusals.close()
  }
}

interface Ending {
  readonly skipRefused: boolean
  readonly dryRun: boolean
  readonly reported: (progress: ImportProgress, outcome: ImportReport['outcome']) => ImportReport
}

/** Thrown to roll the transaction back; it never leaves this file. */
class Undone extends AbortedError {
  readonly report: ImportReport

  constructor(report: ImportReport) {
    super('The import is undone.')
    this.report = report
  }
}

async function allOrNothing(run: ImportRun, { skipRefused, dryRun, reported }: Ending): Promise<ImportReport> {
  try {
    return await run.target.transaction(run.importId, async (session) => {
      await session.claim(0)
      await run.refusals.cutTo(0)
      const progress = await runPasses(run, undefined, session)
      const { refused, unlinked } = reported(progress, 'done')
      if (dryRun) throw new Undone(reported(progress, 'tried'))
      if (refused + unlinked > 0 && !skipRefused) throw new Undone(reported(progress, 'undone'))
      await session.save(progress, true)
      await run.refusals.sync()
      return reported(progress, 'done')
    })
  } catch (error) {
    if (error instanceof Undone) return error.report
    throw error
  }
}

/** Of CSV and Parquet the first row says which columns all have: what no row can be is said before anything is written. */
async function assertColumns(
  plan: readonly PlannedTable[],
  { manifest }: ReadManifest,
  { from, lineBytesMax }: ImportOptions,
): Promise<void> {
  const problems: string[] = []
  for (const planned of plan) {
    const { file, table } = planned
    if (table.tenantKey === undefined && file.rows > 0) {
      problems.push(`${file.file}: the tenant has no ${table.tenantType} key, by which ${table.name} knows tenants`)
    }
    if (manifest.format === 'jsonl') continue
    for await (const rows of openRows(join(from, file.file), table, { ...manifest, lineBytesMax })) {
      const good = rows.find(({ problem }) => problem === undefined)
      if (good === undefined) continue
      const problem = columnProblem(planned, good.columns)
      if (problem !== undefined) problems.push(`${file.file}: ${problem}`)
      break
    }
  }
  if (problems.length > 0) throw new InvalidInputError(`The files do not fit the tenant's tables: ${problems.join(' ')}`)
}

function reportOf(
  head: Pick<ImportReport, 'importId' | 'tenant' | 'outcome' | 'wasDone' | 'refusedFile'>,
  plan: readonly PlannedTable[],
  progress: ImportProgress,
): ImportReport {
  const tables = plan.map(({ table: { name } }) => ({ table: name, ...(progress.tables[name] ?? nothingYet) }))
  const sum = (of: (table: TableProgress) => number): number => tables.reduce((total, table) => total + of(table), 0)
  const written = head.outcome === 'undone' ? 0 : sum((t) => t.written)
  return { ...head, tables, written, refused: sum((t) => t.refused), unlinked: sum((t) => t.unlinked) }
}

function batchRowsOf(wanted = batchRowsDefault): number {
  if (Number.isInteger(wanted) && wanted >= 1 && wanted <= 100_000) return wanted
  throw new ConfigurationError(`batchRows is ${wanted}; it must be a whole number from 1 to 100,000.`)
}
