// Files as a tenant's code sees them. There is no way to name a file without a tenant: a handle is made for one context, asks that
// tenant's index, and reads below that tenant's prefix.

import { type Clock, systemClock } from '../../core/clock.ts'
import type { TenantContext } from '../../core/tenant-context.ts'
import { ConfigurationError } from '../../errors.ts'
import { FileAccess, type GetFileOptions, type OpenFile, type PutFileOptions, told } from './file-access.ts'
import type { FileIndexes, FileInfo, FileQuota, FileUsage } from './file-index.ts'
import { type FileKey, parseFileKey } from './file-key.ts'
import { type RelocateOptions, relocate, type SweepOptions, type Swept, sweep } from './file-upkeep.ts'
import { type FileSettings, type FilesOptions, fileSettings } from './files-options.ts'
import type { FileBody } from './intake.ts'
import { complete, type SignedUrl, type SignedUrlOptions, signedUrl, verifySignedUrl } from './signed-access.ts'
import type { SignedFile } from './signed-file-urls.ts'
import { UploadsUnderWay } from './uploads-under-way.ts'

/** The files of one tenant. What is refused for a suspended tenant's rows is refused here, too: the index is one of its tables. */
export interface TenantFiles {
  /**
   * Stores a file, whole or not at all: it is there when this resolves, in the place of what had its key. It streams: memory does not grow
   * with it, and whoever reads slowly is waited for.
   *
   * @throws {QuotaExceededError} {@link BodyTooLargeError} as soon as more comes than may. {@link MediaTypeError} {@link FileExistsError}
   * @throws {FileInfectedError} {@link TenantBusyError} {@link AbortedError} {@link ObjectStoreError}
   */
  put(key: FileKey, body: FileBody, options?: PutFileOptions): Promise<FileInfo>
  /** @returns undefined when there is none. @throws {FileCorruptError} */
  get(key: FileKey, options?: GetFileOptions): Promise<OpenFile | undefined>
  head(key: FileKey): Promise<FileInfo | undefined>
  /** In order of the keys' bytes; `limit` 1 to 1,000, default 100. */
  list(options?: {
    readonly prefix?: string | undefined
    readonly after?: FileKey | undefined
    readonly limit?: number | undefined
  }): Promise<{ readonly files: readonly FileInfo[]; readonly next: FileKey | undefined }>
  /** @returns whether there was one. */
  delete(key: FileKey): Promise<boolean>
  /** @throws {FileNotFoundError} {@link FileExistsError} {@link QuotaExceededError} */
  copy(from: FileKey, to: FileKey, options?: Pick<PutFileOptions, 'ifAbsent' | 'signal'>): Promise<FileInfo>
  usage(): Promise<FileUsage & { readonly quota: FileQuota }>
  /** An address for a client. @throws {FileNotFoundError} for one to read what is not there. {@link ConfigurationError} without `urls`. */
  signedUrl(key: FileKey, options: SignedUrlOptions): Promise<SignedUrl>
  /** What a signed address of this tenant opens, now. @throws {SignedUrlRefusedError} */
  verifySignedUrl(url: string, request: { readonly method: string }): Promise<SignedFile>
  /**
   * Makes a file of what a client has sent to a signed address: until then, what went straight to the store is no file. It is read, judged
   * and counted as with {@link put}. Where the application took the upload itself, the file is there already and is told.
   *
   * @throws {FileNotFoundError} when nothing has come, or it was completed before. What {@link put} throws.
   */
  complete(ticket: string, options?: Pick<PutFileOptions, 'ifAbsent' | 'sha256' | 'signal'>): Promise<FileInfo>
  /** Removes objects that no file names (of killed processes, abandoned uploads), and counts anew. Run it daily. */
  sweep(options?: SweepOptions): Promise<Swept>
  /** Takes the files to the store of the tenant's region, one by one, verified; each is served from where it is. */
  relocate(options?: RelocateOptions): Promise<{ readonly files: number; readonly bytes: number }>
}

/** Makes files for tenants over one store. */
export class FilesOfTenants {
  readonly #settings: FileSettings | undefined
  readonly #indexes: FileIndexes
  readonly #uploads: UploadsUnderWay
  readonly #clock: Clock

  /** @throws {ConfigurationError} for options that cannot be. */
  constructor(parts: { readonly options: FilesOptions | undefined; readonly indexes: FileIndexes; readonly clock?: Clock | undefined }) {
    this.#settings = parts.options && fileSettings(parts.options)
    this.#indexes = parts.indexes
    this.#uploads = new UploadsUnderWay(this.#settings?.uploadsMax ?? 1)
    this.#clock = parts.clock ?? systemClock
  }

  /** The files of the context's tenant. The handle stays that tenant's, wherever it is taken. @throws {ConfigurationError} without a store. */
  for(context: TenantContext): TenantFiles {
    if (this.#settings === undefined) {
      throw new ConfigurationError('There is no store of files. Pass files: { store: directoryStore(path) } to createTenancy().')
    }
    const index = this.#indexes.for(context)
    const access = new FileAccess({ settings: this.#settings, index, context, uploads: this.#uploads })
    return Object.freeze<TenantFiles>({
      put: (key, body, options) => access.put(key, body, options),
      get: (key, options) => access.get(key, options),
      head: async (key) => {
        const file = await index.find(parseFileKey(key))
        return file && told(file)
      },
      list: (options) => access.list(options),
      delete: (key) => access.delete(key),
      copy: (from, to, options) => access.copy(from, to, options),
      usage: () => access.usage(),
      signedUrl: (key, options) => signedUrl(access, key, options),
      verifySignedUrl: (url, request) => verifySignedUrl(access, url, request),
      complete: (ticket, options) => complete(access, ticket, options),
      sweep: (options) => sweep(access, this.#clock, options),
      relocate: (options) => relocate(access, options),
    })
  }
}
