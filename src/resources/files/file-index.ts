// Which files a tenant has. The index decides: an object that it does not name is no file, whoever put it into the store. It stands among
// the tenant's own tables, so that it is behind the wall, moves, is backed up, exported and purged with them, and counts what is used in
// the same transaction that names a file.

import type { TenantContext } from '../../core/tenant-context.ts'
import type { FileKey } from './file-key.ts'
import type { ObjectId } from './object-key.ts'

/** What is known of a file. */
export interface FileInfo {
  readonly key: FileKey
  readonly bytes: number
  /** As it was looked at, not only as it was said: see docs/guides/files.md. */
  readonly contentType: string
  /** Of its content, 64 hex digits. */
  readonly sha256: string
  readonly createdAt: Date
}

/** A file, and where its bytes are. */
export interface IndexedFile extends FileInfo {
  readonly objectId: ObjectId
  /** The region of the store that has it. */
  readonly region: string
}

/** How much a tenant may have. */
export interface FileQuota {
  readonly bytesMax: number
  readonly filesMax: number
}

export interface FileUsage {
  readonly files: number
  readonly bytes: number
}

export interface FilePage {
  readonly files: readonly IndexedFile[]
  /** What to give as `after` for the next page; undefined at the end. */
  readonly next: FileKey | undefined
}

/** The port: the files of one tenant. Conformance: test/resources/file-index-conformance.ts. */
export interface FileIndex {
  find(key: FileKey): Promise<IndexedFile | undefined>
  /** In order of the keys' bytes. */
  page(request: { readonly prefix: string; readonly after?: FileKey | undefined; readonly limit: number }): Promise<FilePage>
  usage(): Promise<FileUsage>
  /**
   * Names a file, in the place of what had its key: seen by everybody or by nobody. Those who come at once are counted one after another.
   *
   * @returns what had the key before.
   * @throws {FileExistsError} when `ifAbsent`. {@link QuotaExceededError}
   */
  put(
    file: Omit<IndexedFile, 'createdAt'>,
    options: { readonly ifAbsent: boolean; readonly quota: FileQuota },
  ): Promise<{ readonly file: IndexedFile; readonly replaced: IndexedFile | undefined }>
  /** @returns what had the key. */
  remove(key: FileKey): Promise<IndexedFile | undefined>
  /** Which of these objects are files. */
  named(ids: readonly ObjectId[]): Promise<ReadonlySet<ObjectId>>
  /** Those that are in another region than this one, at most `limit`. */
  elsewhere(region: string, limit: number): Promise<readonly IndexedFile[]>
  /** The file's bytes are elsewhere now. @returns false when it is not that file any more. */
  relocate(file: IndexedFile, to: { readonly objectId: ObjectId; readonly region: string }): Promise<boolean>
  /** Counts anew what is used. */
  recount(): Promise<FileUsage>
}

/** Opens the index of a tenant. */
export interface FileIndexes {
  for(context: TenantContext): FileIndex
}
