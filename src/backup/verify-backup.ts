// Says whether a backup is good: by opening every object, and, unless it is to be quick, by restoring it into a throw-away place and
// comparing what is there with what was there when it was made.

import type { Isolation } from '../core/placement.ts'
import { AbortedError, BackupInvalidError, ObjectStoreError, TenancyError } from '../errors.ts'
import { textStream, verifiedObject } from './backup-listing.ts'
import { objectKey } from './backup-object.ts'
import { type BackupParts, checkedConcurrency, eachOf, type WorkOptions } from './backup-parts.ts'
import type { BackedTable } from './manifest.ts'
import { type BackupPlace, type OpenedBackup, openBackup } from './open-backup.ts'
import { withScratchPlace } from './scratch-place.ts'

export interface VerifyOptions extends WorkOptions {
  /** Opens every object and restores nothing: what was changed, cut off or swapped is found all the same. */
  readonly quick?: boolean | undefined
  /** Of the throw-away place. Default `database`. */
  readonly isolation?: Isolation | undefined
}

/** One thing that is wrong with a backup. */
export interface BackupProblem {
  /** Undefined when it is the backup as a whole. */
  readonly table: string | undefined
  readonly problem: string
}

export interface BackupVerification {
  readonly id: string
  readonly isGood: boolean
  readonly isQuick: boolean
  readonly tables: number
  readonly rows: number
  readonly problems: readonly BackupProblem[]
}

/**
 * Verifies a backup, and notes beside it what was found. A backup that is not good is an answer, and no error.
 *
 * @throws {BackupNotFoundError} when there is none. {@link ObjectStoreError} when the store does not answer: nothing is noted then.
 */
export async function verifyBackup(parts: BackupParts, place: BackupPlace, options: VerifyOptions): Promise<BackupVerification> {
  const isQuick = options.quick === true
  const opened = await openedOr(parts, place)
  if ('problem' in opened) return await noted(parts, place, { isQuick, tables: 0, rows: 0, problems: [opened] })
  const { tables } = opened.manifest
  const told = { isQuick, tables: tables.length, rows: tables.reduce((total, table) => total + table.rows, 0) }
  const objects = await openEverything(opened, options)
  // What cannot be opened need not be restored to know that it cannot.
  if (objects.length > 0 || isQuick) return await noted(parts, place, { ...told, problems: objects })
  const restored = await restoredProblems(parts, opened, options)
  if ('refused' in restored) {
    // The tables here may have changed since, or there is no room: what was found says too little of the backup to be noted of it.
    const problems = [{ table: undefined, problem: `It cannot be restored here: ${restored.refused}` }]
    return { id: place.id, isGood: false, ...told, problems }
  }
  return await noted(parts, place, { ...told, problems: restored })
}

async function openedOr(parts: BackupParts, place: BackupPlace): Promise<OpenedBackup | BackupProblem> {
  try {
    return await openBackup(parts, place)
  } catch (error) {
    if (error instanceof BackupInvalidError) return { table: undefined, problem: error.message }
    throw error
  }
}

async function openEverything({ manifest, rows }: OpenedBackup, options: VerifyOptions): Promise<readonly BackupProblem[]> {
  let tablesDone = 0
  const concurrency = checkedConcurrency(options)
  const found = await eachOf(manifest.tables, { concurrency, signal: options.signal }, async (table, signal) => {
    const problem = await problemOf(async () => {
      for await (const _ of rows(table, signal)) {
        // Each piece is authenticated before it is here; that is all that is asked.
      }
    })
    tablesDone += 1
    options.onProgress?.({ table: table.name, bytes: table.bytes, tablesDone, tables: manifest.tables.length })
    return problem === undefined ? [] : [{ table: table.name, problem }]
  })
  return found.flat()
}

async function restoredProblems(
  parts: BackupParts,
  { manifest, tables }: OpenedBackup,
  { isolation, signal }: VerifyOptions,
): Promise<readonly BackupProblem[] | { readonly refused: string }> {
  const { region, keys } = manifest.tenant
  const of = { id: manifest.tenantId, keys }
  return await withScratchPlace(parts, { region, keys, isolation, signal }, async (place) => {
    const refused = await problemOf(() => parts.rows.load(place, tables, { of, signal }))
    if (refused !== undefined) return { refused }
    const found = new Map((await parts.rows.digests(place)).map((digest) => [digest.table, digest]))
    return manifest.tables.flatMap((table) => differenceOf(table, found.get(table.name)))
  })
}

function differenceOf(table: BackedTable, found: { readonly rows: number; readonly digest: string } | undefined): readonly BackupProblem[] {
  const rows = found?.rows ?? 0
  if (rows !== table.rows) return [{ table: table.name, problem: `${rows} rows were restored; there were ${table.rows}.` }]
  if (found !== undefined && found.digest !== table.digest)
    return [{ table: table.name, problem: 'The rows that were restored are others.' }]
  return []
}

/** What is wrong for good; what may be well later (the store, the network, a cancelled call) is thrown. */
async function problemOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (error instanceof TenancyError && !error.retryable && !(error instanceof AbortedError || error instanceof ObjectStoreError))
      return error.message
    throw error
  }
}

async function noted(
  { store, clock }: BackupParts,
  place: BackupPlace,
  result: Omit<BackupVerification, 'id' | 'isGood'>,
): Promise<BackupVerification> {
  const isGood = result.problems.length === 0
  const note = { at: new Date(clock.now()).toISOString(), isGood, isQuick: result.isQuick }
  await store.put(objectKey(place, verifiedObject), textStream(`${JSON.stringify(note)}\n`))
  return { id: place.id, isGood, ...result }
}
