// What is done with a tenant's files. A file is put in three steps, so that there never is half of one: its bytes go to a new object that
// nothing names; they are judged (type, checksum, scanner); then one transaction names them and counts them. Whoever is killed in between
// leaves an object without a name, which a sweep takes away.

import type { TenantContext } from '../../core/tenant-context.ts'
import {
  BodyTooLargeError,
  FileCorruptError,
  FileExistsError,
  FileInfectedError,
  FileNotFoundError,
  InvalidInputError,
  QuotaExceededError,
} from '../../errors.ts'
import type { ByteRange, FileStore } from '../../objects/file-store.ts'
import type { ByteStream } from '../../objects/object-store.ts'
import { checkedContentType, judgedContentType } from './content-type.ts'
import type { FileIndex, FileInfo, FileQuota, FileUsage, IndexedFile } from './file-index.ts'
import { checkedFilePrefix, type FileKey, parseFileKey } from './file-key.ts'
import { afterPut, assertWithin } from './file-quota.ts'
import type { FileSettings } from './files-options.ts'
import { type FileBody, Intake, untilAborted, verified } from './intake.ts'
import { newObjectId, type ObjectId, objectKey } from './object-key.ts'
import type { UploadsUnderWay } from './uploads-under-way.ts'

export interface PutFileOptions {
  /** What it is said to be. Default: what its bytes say. Refused when they say something else. */
  readonly contentType?: string | undefined
  /** Refuses to replace a file. */
  readonly ifAbsent?: boolean | undefined
  /** Of this file, where it is less than `fileBytesMax`. */
  readonly bytesMax?: number | undefined
  /** What has to come, 64 hex digits: anything else is not kept. */
  readonly sha256?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface GetFileOptions {
  /** A part alone. Its checksum cannot be verified; that of a whole file is. */
  readonly range?: ByteRange | undefined
  readonly signal?: AbortSignal | undefined
}

/** A file that is being read. */
export interface OpenFile {
  readonly file: FileInfo
  /**
   * Read it once, as slowly as you like; `Readable.from(body)` makes a Node stream of it. The last piece comes when the checksum of all
   * of them is seen to be right.
   *
   * @throws {FileCorruptError} while it is read. {@link ObjectStoreError} when it breaks off. {@link AbortedError}
   */
  readonly body: ByteStream
}

/** What the handle works with. */
export interface FileAccessParts {
  readonly settings: FileSettings
  readonly index: FileIndex
  readonly context: Pick<TenantContext, 'tenant'>
  readonly uploads: UploadsUnderWay
}

/** What is known of a new object before anything names it. */
type Arrived = Omit<IndexedFile, 'createdAt' | 'region'>

export class FileAccess {
  readonly parts: FileAccessParts

  constructor(parts: FileAccessParts) {
    this.parts = parts
  }

  async put(key: FileKey, body: FileBody, options: PutFileOptions = {}): Promise<FileInfo> {
    const { tenant } = this.parts.context
    parseFileKey(key)
    const declared = options.contentType === undefined ? undefined : checkedContentType(options.contentType)
    checkedSha256(options.sha256)
    return await this.parts.uploads.of(tenant.id, async () => {
      const room = await this.room(key, options)
      let contentType = ''
      const judge = async (head: Uint8Array): Promise<void> => {
        contentType = await judgedContentType(head, declared)
      }
      const intake = new Intake({ ...room, judge, signal: options.signal })
      const objectId = newObjectId()
      await this.store().put(objectKey(tenant.id, objectId), intake.stream(body), { signal: options.signal })
      return await this.adopt({ key, objectId, bytes: intake.bytes, contentType, sha256: intake.sha256() }, options)
    })
  }

  async get(key: FileKey, { range, signal }: GetFileOptions = {}): Promise<OpenFile | undefined> {
    parseFileKey(key)
    checkedRange(range)
    // What is replaced between the two steps has another object then.
    let missed: ObjectId | undefined
    for (;;) {
      const file = await this.parts.index.find(key)
      if (file === undefined) return undefined
      if (missed === file.objectId) throw corrupt(file, 'its store does not have it')
      const body = await this.#read(file, range, signal)
      if (body !== undefined) return { file: told(file), body }
      missed = file.objectId
    }
  }

  async copy(from: FileKey, to: FileKey, options: Pick<PutFileOptions, 'ifAbsent' | 'signal'> = {}): Promise<FileInfo> {
    const { tenant } = this.parts.context
    parseFileKey(to)
    const file = await this.parts.index.find(parseFileKey(from))
    if (file === undefined) throw new FileNotFoundError(`There is no file ${from}.`)
    return await this.parts.uploads.of(tenant.id, async () => {
      const { bytesMax, onTooMany } = await this.room(to, options)
      if (file.bytes > bytesMax) throw onTooMany()
      const objectId = newObjectId()
      await this.#duplicate(file, objectId, options.signal)
      return await this.adopt({ ...file, key: to, objectId }, { ...options, isScanned: true })
    })
  }

  async delete(key: FileKey): Promise<boolean> {
    const removed = await this.parts.index.remove(parseFileKey(key))
    if (removed !== undefined) await this.storeOf(removed).delete(objectKey(this.parts.context.tenant.id, removed.objectId))
    return removed !== undefined
  }

  async list(
    options: { readonly prefix?: string | undefined; readonly after?: FileKey | undefined; readonly limit?: number | undefined } = {},
  ) {
    const { prefix = '', after, limit = 100 } = options
    if (!(Number.isInteger(limit) && limit >= 1 && limit <= 1_000)) throw new InvalidInputError(`limit is ${limit}. Give 1 to 1,000.`)
    if (after !== undefined) parseFileKey(after)
    const { files, next } = await this.parts.index.page({ prefix: checkedFilePrefix(prefix), after, limit })
    return { files: files.map(told), next }
  }

  async usage(): Promise<FileUsage & { readonly quota: FileQuota }> {
    return { ...(await this.parts.index.usage()), quota: this.quota() }
  }

  quota(): FileQuota {
    return this.parts.settings.quotaOf(this.parts.context.tenant)
  }

  /** Of the region where the tenant is: what is new goes there. */
  store(): FileStore {
    return this.parts.settings.storeOf(this.parts.context.tenant.region)
  }

  storeOf(file: IndexedFile): FileStore {
    return this.parts.settings.storeOf(file.region)
  }

  /** How much may come under this key. What came meanwhile is counted again when the file is named. */
  async room(
    key: FileKey,
    options: Pick<PutFileOptions, 'ifAbsent' | 'bytesMax'>,
  ): Promise<{ readonly bytesMax: number; readonly onTooMany: () => unknown }> {
    const { index, settings } = this.parts
    const [usage, before] = await Promise.all([index.usage(), index.find(key)])
    if (before !== undefined && options.ifAbsent === true) throw new FileExistsError(`There is a file ${key} already.`)
    const quota = this.quota()
    assertWithin(quota, afterPut(usage, 0, before))
    const left = quota.bytesMax - usage.bytes + (before?.bytes ?? 0)
    const most = Math.min(settings.fileBytesMax, options.bytesMax ?? Number.POSITIVE_INFINITY)
    const onTooMany = (): unknown =>
      left < most
        ? new QuotaExceededError(`There is room for ${left} bytes more (bytesMax ${quota.bytesMax}). Nothing of ${key} is kept.`, {
            details: { bound: 'bytesMax', value: quota.bytesMax },
          })
        : new BodyTooLargeError(`A file of this kind has at most ${most} bytes. Nothing of ${key} is kept.`, {
            details: { bound: 'fileBytesMax', value: most },
          })
    return { bytesMax: Math.min(left, most), onTooMany }
  }

  /** Makes a file of an object that is there: scanned, then named. What is refused is taken away again. */
  async adopt(arrived: Arrived, options: PutFileOptions & { readonly isScanned?: boolean }): Promise<FileInfo> {
    const { index, context, settings } = this.parts
    const object = objectKey(context.tenant.id, arrived.objectId)
    try {
      if (options.sha256 !== undefined && options.sha256 !== arrived.sha256) {
        throw new InvalidInputError(`What came for ${arrived.key} is not what was announced: its checksum is another one.`)
      }
      if (settings.scan !== undefined && options.isScanned !== true) await this.#scan(arrived, options.signal)
    } catch (error) {
      await this.#discard(object)
      throw error
    }
    const file = { ...arrived, region: context.tenant.region }
    try {
      const stored = await index.put(file, { ifAbsent: options.ifAbsent === true, quota: this.quota() })
      if (stored.replaced !== undefined)
        await this.#discard(objectKey(context.tenant.id, stored.replaced.objectId), this.storeOf(stored.replaced))
      return told(stored.file)
    } catch (error) {
      // After anything else than a refusal it may be named after all: then it must stay, and if not, it is swept.
      if (error instanceof FileExistsError || error instanceof QuotaExceededError) await this.#discard(object)
      throw error
    }
  }

  async #scan(arrived: Arrived, signal: AbortSignal | undefined): Promise<void> {
    const { settings, context } = this.parts
    const { objectId, ...file } = arrived
    const stored = await this.store().get(objectKey(context.tenant.id, objectId), { signal })
    if (stored === undefined) throw corrupt(arrived, 'its store does not have it')
    const body = verified(untilAborted(stored, signal), arrived, (why) => corrupt(arrived, why))
    const verdict = await settings.scan?.(body, file, { tenant: context.tenant, signal })
    if (verdict === 'clean') return
    throw new FileInfectedError(`The scanner refused ${arrived.key}. Nothing of it is kept.`, { details: { found: verdict?.infected } })
  }

  async #read(file: IndexedFile, range: ByteRange | undefined, signal: AbortSignal | undefined): Promise<ByteStream | undefined> {
    const object = objectKey(this.parts.context.tenant.id, file.objectId)
    const store = this.storeOf(file)
    const body = range === undefined ? await store.get(object, { signal }) : await store.getRange(object, range, { signal })
    if (body === undefined) return undefined
    const readable = untilAborted(body, signal)
    return range === undefined ? verified(readable, file, (why) => corrupt(file, why)) : readable
  }

  async #duplicate(file: IndexedFile, objectId: ObjectId, signal: AbortSignal | undefined): Promise<void> {
    const { id } = this.parts.context.tenant
    const [source, target] = [this.storeOf(file), this.store()]
    const from = objectKey(id, file.objectId)
    const to = objectKey(id, objectId)
    const done = source === target ? await source.copy(from, to, { signal }) : await this.carry(file, objectId, signal)
    if (done === undefined) throw corrupt(file, 'its store does not have it')
  }

  /** Copies a file into the store of the tenant's region, seen to be what was stored. @returns undefined when its own store has lost it. */
  async carry(file: IndexedFile, objectId: ObjectId, signal: AbortSignal | undefined) {
    const body = await this.#read(file, undefined, signal)
    return body && (await this.store().put(objectKey(this.parts.context.tenant.id, objectId), body, { signal }))
  }

  /** What cannot be removed now is swept later: nothing names it. */
  async #discard(object: string, store = this.store()): Promise<void> {
    await store.delete(object).catch(() => {})
  }
}

/** What is said of a file outside: nothing of where it is. */
export function told({ key, bytes, contentType, sha256, createdAt }: IndexedFile): FileInfo {
  return { key, bytes, contentType, sha256, createdAt }
}

export function corrupt(file: { readonly key: FileKey; readonly objectId: ObjectId }, why: string): FileCorruptError {
  return new FileCorruptError(`The file ${file.key} is not what was stored: ${why}.`, {
    details: { key: file.key, objectId: file.objectId },
  })
}

function checkedRange(range: ByteRange | undefined): void {
  if (range === undefined) return
  const { start, end } = range
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && end >= start) return
  throw new InvalidInputError(`Not a range of bytes: ${start} to ${end}.`)
}

function checkedSha256(sha256: string | undefined): void {
  if (sha256 === undefined || /^[0-9a-f]{64}$/.test(sha256)) return
  throw new InvalidInputError('sha256 is not 64 hex digits.')
}
