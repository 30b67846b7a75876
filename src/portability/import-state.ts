// import.json: which import the files of a directory are being used for, so that the same command goes on with it.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { v7 } from 'uuid'
import { InvalidInputError } from '../errors.ts'
import { writeExportFile } from './export-file.ts'
import { type ImportMode, type ImportTarget, noProgress, type SavedImport } from './import-target.ts'

export const importFile = 'import.json'

/** What must be the same for an import to be gone on with. */
export interface ImportTerms {
  readonly tenant: string
  readonly manifestSha256: string
  readonly mode: ImportMode
  readonly mapIds: boolean
  readonly isAtomic: boolean
}

interface ImportState extends ImportTerms {
  readonly importId: string
}

export interface BegunImport {
  readonly importId: string
  /** Undefined for one that has written nothing yet. */
  readonly saved: SavedImport | undefined
}

/**
 * The import that was begun here on the same terms, or a new one.
 *
 * @throws {InvalidInputError} when another is half done here, or this one's rows are in another place than the tenant's.
 */
export async function beginImport(directory: string, terms: ImportTerms, target: ImportTarget): Promise<BegunImport> {
  const path = join(directory, importFile)
  const state = await readState(path)
  if (state !== undefined && sameTerms(state, terms)) {
    const saved = await target.saved(state.importId)
    if (saved !== undefined || state.isAtomic) return { importId: state.importId, saved }
    throw new InvalidInputError(
      `${path} says that import ${state.importId} was begun, and the tenant's database does not know of it: the tenant was moved or restored since. Remove the file to begin anew; with upsert, rows that are there are written again.`,
    )
  }
  if (state !== undefined && !state.isAtomic && state.tenant === terms.tenant) {
    const saved = await target.saved(state.importId)
    if (saved !== undefined && !saved.isDone) {
      throw new InvalidInputError(
        `Import ${state.importId} is half done here, with other files or options. Call it again as it was called then, or remove ${path}.`,
      )
    }
  }
  return await newImport(path, terms, target)
}

async function newImport(path: string, terms: ImportTerms, target: ImportTarget): Promise<BegunImport> {
  const importId = v7()
  // The database knows of it first: a file without it then means that this is another database.
  if (!terms.isAtomic) await target.transaction(importId, async (session) => await session.claim(0))
  const state: ImportState = { importId, ...terms }
  await writeExportFile(path, [Buffer.from(`${JSON.stringify(state, null, 2)}\n`)])
  return { importId, saved: terms.isAtomic ? undefined : { turn: 1, progress: noProgress, isDone: false } }
}

async function readState(path: string): Promise<ImportState | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ImportState
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'ENOENT') return undefined
    throw new InvalidInputError(`${path} cannot be read: ${(error as Error).message}. Remove it to begin anew.`, { cause: error })
  }
}

function sameTerms(state: ImportState, terms: ImportTerms): boolean {
  return (['tenant', 'manifestSha256', 'mode', 'mapIds', 'isAtomic'] as const).every((name) => state[name] === terms[name])
}
