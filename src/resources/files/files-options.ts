// How files are kept, as an application says it.

import type { Tenant } from '../../core/tenant.ts'
import { ConfigurationError } from '../../errors.ts'
import type { FileStore } from '../../objects/file-store.ts'
import type { ByteStream } from '../../objects/object-store.ts'
import type { FileInfo, FileQuota } from './file-index.ts'
import type { SignedFileUrls } from './signed-file-urls.ts'

/** What a scanner says: `clean`, or what it found. */
export type ScanVerdict = 'clean' | { readonly infected: string }

/**
 * Looks at a file before anybody can: it is no file until this says `clean`. What this throws refuses the file, too.
 *
 * @param body all of it, as it is stored.
 */
export type FileScanner = (
  body: ByteStream,
  file: Omit<FileInfo, 'createdAt'>,
  options: { readonly tenant: Tenant; readonly signal: AbortSignal | undefined },
) => Promise<ScanVerdict>

export interface FilesOptions {
  /** Where the bytes are: `directoryStore(path)`, `s3Store({ … })`, `memoryStore()`; or one for each region. */
  readonly store: FileStore | ((region: string) => FileStore)
  /** How much a tenant may have. Default for each: 10 GiB and 1,000,000 files. */
  readonly quota?: FileQuota | ((tenant: Tenant) => FileQuota) | undefined
  /** The largest file, in bytes. Default 1 GiB. */
  readonly fileBytesMax?: number | undefined
  /** What one tenant may be storing at once, in this process. Default 32. */
  readonly uploadsMax?: number | undefined
  /** Without it no address is signed. */
  readonly urls?: SignedFileUrls | undefined
  /**
   * Do signed addresses lead clients straight to a store that allows it (S3)? What they open ends with their expiry alone: neither a
   * suspension nor a change of the tenant reaches the store. Default true.
   */
  readonly direct?: boolean | undefined
  /** The longest that an address into the store itself is valid, in milliseconds. Default 900,000; at most 604,800,000. */
  readonly directUrlMsMax?: number | undefined
  /** The longest that an address through the application is valid. Default 86,400,000. */
  readonly urlMsMax?: number | undefined
  readonly scan?: FileScanner | undefined
}

/** The options with what they leave out. */
export interface FileSettings {
  readonly storeOf: (region: string) => FileStore
  readonly quotaOf: (tenant: Tenant) => FileQuota
  readonly fileBytesMax: number
  readonly uploadsMax: number
  readonly urls: SignedFileUrls | undefined
  readonly direct: boolean
  readonly directUrlMsMax: number
  readonly urlMsMax: number
  readonly scan: FileScanner | undefined
}

const gibibyte = 1_073_741_824
const quotaDefault: FileQuota = { bytesMax: 10 * gibibyte, filesMax: 1_000_000 }
/** What Signature Version 4 allows. */
const directUrlMsLimit = 604_800_000

/** @throws {ConfigurationError} */
export function fileSettings(options: FilesOptions): FileSettings {
  const { store, quota = quotaDefault, fileBytesMax = gibibyte, uploadsMax = 32 } = options
  const { directUrlMsMax = 900_000, urlMsMax = 86_400_000, direct = true, urls, scan } = options
  refuseOutOf('fileBytesMax', fileBytesMax, Number.MAX_SAFE_INTEGER)
  refuseOutOf('uploadsMax', uploadsMax, 10_000)
  refuseOutOf('directUrlMsMax', directUrlMsMax, directUrlMsLimit)
  refuseOutOf('urlMsMax', urlMsMax, directUrlMsLimit)
  return {
    storeOf: typeof store === 'function' ? store : () => store,
    quotaOf: (tenant) => checkedQuota(typeof quota === 'function' ? quota(tenant) : quota),
    ...{ fileBytesMax, uploadsMax, urls, direct, directUrlMsMax, urlMsMax, scan },
  }
}

function checkedQuota(quota: FileQuota): FileQuota {
  for (const [name, value] of Object.entries({ bytesMax: quota.bytesMax, filesMax: quota.filesMax })) {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new ConfigurationError(`files.quota.${name} is ${value}; it must be a whole number.`)
  }
  return quota
}

function refuseOutOf(name: string, value: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return
  throw new ConfigurationError(`files.${name} is ${value}; it must be a whole number from 1 to ${most}.`)
}
