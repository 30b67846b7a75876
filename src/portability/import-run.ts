// The passes of an import over its files, in batches: each in a transaction of its own, or all in the one that is handed in.

import { AbortedError, InvalidInputError } from '../errors.ts'
import type { FileRow } from './file-row.ts'
import type { PlannedTable } from './import-plan.ts'
import { type BadRow, type ImportRow, rowReader } from './import-row.ts'
import {
  type ImportMode,
  type ImportProgress,
  type ImportSession,
  type ImportTarget,
  type ImportTold,
  noProgress,
  nothingYet,
  type RowRefusal,
  type SavedImport,
  type TableProgress,
} from './import-target.ts'
import type { Refusal, RefusalFile } from './refusals.ts'

export interface ImportRun {
  readonly importId: string
  readonly target: ImportTarget
  readonly plan: readonly PlannedTable[]
  readonly refusals: RefusalFile
  /** The columns of each table whose ids become new ones. */
  readonly ids: ReadonlyMap<string, ReadonlySet<string>> | undefined
  readonly mode: ImportMode
  readonly batchRows: number
  readonly rowsOf: (planned: PlannedTable) => AsyncGenerator<readonly FileRow[]>
  readonly rowsTotal: number
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((told: ImportTold) => void) | undefined
}

interface Pass {
  readonly kind: 'write' | 'link'
  readonly planned: PlannedTable
}

/** Characters of a batch, at most (one row more): what is sent in one statement. */
const batchLengthMax = 4 * 1024 * 1024

/**
 * @param saved where to go on.
 * @param session the transaction of an import that is all or nothing; without it each batch has its own.
 */
export async function runPasses(run: ImportRun, saved: SavedImport | undefined, session?: ImportSession): Promise<ImportProgress> {
  const passes: readonly Pass[] = [
    ...run.plan.map((planned) => ({ kind: 'write' as const, planned })),
    ...run.plan.filter(({ late }) => late.length > 0).map((planned) => ({ kind: 'link' as const, planned })),
  ]
  let progress = saved?.progress ?? noProgress
  let turn = saved?.turn ?? 0
  const commit = async (next: ImportProgress, work: (session: ImportSession) => Promise<ImportProgress>): Promise<void> => {
    if (session !== undefined) {
      progress = await work(session)
      return
    }
    const attempt = async (own: ImportSession): Promise<ImportProgress> => {
      await own.claim(turn)
      // What an attempt before this one wrote to the file was not committed.
      if (run.refusals.bytes !== next.refusedBytes) await run.refusals.cutTo(next.refusedBytes)
      const done = await work(own)
      await own.save(done, done.pass === passes.length)
      await run.refusals.sync()
      return done
    }
    progress = await run.target.transaction(run.importId, attempt, { isRepeatable: true })
    turn += 1
  }
  for (const [index, pass] of passes.entries()) {
    if (index < progress.pass) continue
    await runPass(run, pass, { start: progress.rows, commit: async (work) => await commit(progress, (own) => work(own, progress)) })
    const next = { ...progress, pass: index + 1, rows: 0 }
    await commit(next, async () => next)
  }
  return progress
}

interface PassContext {
  /** Rows of the file that are done already. */
  readonly start: number
  readonly commit: (work: (session: ImportSession, before: ImportProgress) => Promise<ImportProgress>) => Promise<void>
}

async function runPass(run: ImportRun, { kind, planned }: Pass, { start, commit }: PassContext): Promise<void> {
  const { table, file } = planned
  const columns = run.ids?.get(table.name)
  const read = rowReader(planned, columns === undefined ? undefined : { importId: run.importId, columns })
  // A row that was refused may have the key of one that is there: it is not this import's to link.
  const refusedLines = kind === 'link' ? await run.refusals.linesOf(table.name) : new Set<number>()
  let [seen, refused] = [0, 0]
  for await (const rows of batches(run.rowsOf(planned), run)) {
    const from = seen
    seen += rows.length
    if (seen <= start) continue
    if (run.signal?.aborted === true) {
      throw new AbortedError(
        `The import stopped in ${table.name}, after ${from} rows of its file. Call it again to go on, if it is resumable.`,
      )
    }
    const fresh = rows.slice(Math.max(0, start - from)).map(read)
    await commit(async (session, before) => {
      const done =
        kind === 'write'
          ? await writeRows(session, planned, fresh)
          : await linkRows(session, planned, { rows: fresh, refusedLines, mode: run.mode })
      await run.refusals.add(done.refusals)
      refused = refusedIn(before) + done.refusals.length
      return advanced(before, table.name, { ...done.counts, rows: seen, refusedBytes: run.refusals.bytes })
    })
    if (kind === 'write') tell(run, planned, { seen, refused })
  }
  if (seen !== file.rows) {
    throw new InvalidInputError(`${file.file} has ${seen} rows, and the manifest says ${file.rows}.`)
  }
}

interface Done {
  readonly refusals: readonly Refusal[]
  readonly counts: TableProgress
}

async function writeRows(session: ImportSession, planned: PlannedTable, rows: readonly (ImportRow | BadRow)[]): Promise<Done> {
  const refusals: Refusal[] = []
  let good = 0
  for (const group of grouped(rows)) {
    if ('problem' in group[0]!) {
      refusals.push(
        ...(group as readonly BadRow[]).map(({ line, key, problem }) => refusal(planned, { line, key: key(), reason: problem })),
      )
      continue
    }
    const same = group as readonly ImportRow[]
    const refused = await session.write({ table: planned.table, shape: same[0]!.shape, rows: same })
    good += same.length - refused.length
    refusals.push(...refused.map((each) => told(planned, each)))
  }
  refusals.sort((a, b) => a.line - b.line)
  return { refusals, counts: { read: rows.length, written: good, refused: refusals.length, unlinked: 0 } }
}

async function linkRows(
  session: ImportSession,
  planned: PlannedTable,
  {
    rows,
    refusedLines,
    mode,
  }: { readonly rows: readonly (ImportRow | BadRow)[]; readonly refusedLines: ReadonlySet<number>; readonly mode: ImportMode },
): Promise<Done> {
  const refusals: Refusal[] = []
  for (const group of grouped(rows)) {
    if ('problem' in group[0]!) continue
    const { shape } = group[0] as ImportRow
    if (shape.late.length === 0) continue
    const at = shape.columns.flatMap(({ name }, i) => (shape.late.includes(name) ? [i] : []))
    // A new row has nulls there already; one that was there before may have something else.
    const linked = (group as readonly ImportRow[]).filter(
      ({ line, cells }) => !refusedLines.has(line) && (mode === 'upsert' || at.some((i) => cells[i] !== null)),
    )
    if (linked.length === 0) continue
    const refused = await session.link({ table: planned.table, shape, rows: linked })
    refusals.push(...refused.map((each) => ({ ...told(planned, each), without: shape.late })))
  }
  return { refusals, counts: { read: 0, written: 0, refused: 0, unlinked: refusals.length } }
}

/** Neighbours that name the same columns go together, and so do those that are no rows. */
function grouped(rows: readonly (ImportRow | BadRow)[]): readonly (readonly (ImportRow | BadRow)[])[] {
  const shapeOf = (row: ImportRow | BadRow): unknown => ('problem' in row ? undefined : row.shape)
  const groups: (ImportRow | BadRow)[][] = []
  for (const row of rows) {
    const last = groups.at(-1)
    if (last !== undefined && shapeOf(last[0]!) === shapeOf(row)) last.push(row)
    else groups.push([row])
  }
  return groups
}

function told(planned: PlannedTable, { row: { line, key }, ...why }: RowRefusal): Refusal {
  return refusal(planned, { line, key: key(), ...why })
}

function refusal({ table, file }: PlannedTable, why: Omit<Refusal, 'table' | 'file'>): Refusal {
  return { table: table.name, file: file.file, ...why }
}

function advanced(
  before: ImportProgress,
  table: string,
  done: TableProgress & { readonly rows: number; readonly refusedBytes: number },
): ImportProgress {
  const was = before.tables[table] ?? nothingYet
  const now: TableProgress = {
    read: was.read + done.read,
    written: was.written + done.written,
    refused: was.refused + done.refused,
    unlinked: was.unlinked + done.unlinked,
  }
  return { ...before, rows: done.rows, refusedBytes: done.refusedBytes, tables: { ...before.tables, [table]: now } }
}

function refusedIn({ tables }: ImportProgress): number {
  return Object.values(tables).reduce((sum, { refused, unlinked }) => sum + refused + unlinked, 0)
}

function tell(
  { plan, rowsTotal, onProgress }: ImportRun,
  planned: PlannedTable,
  now: { readonly seen: number; readonly refused: number },
): void {
  const before = plan.slice(0, plan.indexOf(planned)).reduce((sum, { file }) => sum + file.rows, 0)
  onProgress?.({ table: planned.table.name, rows: before + now.seen, rowsTotal, refused: now.refused })
}

async function* batches(
  pieces: AsyncGenerator<readonly FileRow[]>,
  { batchRows }: Pick<ImportRun, 'batchRows'>,
): AsyncGenerator<readonly FileRow[]> {
  let batch: FileRow[] = []
  let length = 0
  for await (const rows of pieces) {
    for (const row of rows) {
      batch.push(row)
      for (const text of row.cells) length += text?.length ?? 0
      if (batch.length < batchRows && length < batchLengthMax) continue
      yield batch
      batch = []
      length = 0
    }
  }
  if (batch.length > 0) yield batch
}
