// What the files of tenants need of a store beyond what backups need: parts of an object, pages of a list, copies, and addresses with
// which a client comes to the store itself. The adapters keep both promises.

import type { ByteStream, ObjectOptions, ObjectStore, StoredObject } from './object-store.ts'

/** Bytes from `start` up to, and not including, `end`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface KeptObject extends StoredObject {
  /** When it was put, by the clock of the store. */
  readonly modifiedAt: Date
}

export interface ObjectPage {
  /** In order of the characters of their keys. */
  readonly objects: readonly KeptObject[]
  /** What to give as `after` for the next page; undefined at the end. */
  readonly next: string | undefined
}

/** What may be done at an address, and how the answer is to be taken. */
export interface DirectAccess {
  readonly method: 'GET' | 'PUT'
  readonly expiresInMs: number
  /** GET: the answer says so. PUT: the client has to say so, or it is refused. */
  readonly contentType?: string | undefined
  /** GET: the answer's Content-Disposition. */
  readonly disposition?: string | undefined
}

/** A store that clients can reach without going through the application. */
export interface DirectAccessSigner {
  /** An address that needs no other credential, and the headers that a client must send with it. */
  sign(key: string, access: DirectAccess): Promise<{ readonly url: string; readonly headers: Readonly<Record<string, string>> }>
}

/** Keeps the files of tenants. Conformance: test/objects/file-store-conformance.ts. */
export interface FileStore extends ObjectStore {
  /** A part of the object; less of it when the object ends before. @returns undefined when there is no such object. */
  getRange(key: string, range: ByteRange, options?: ObjectOptions): Promise<ByteStream | undefined>
  /** As much of {@link ObjectStore.list} as comes after a key: `limit` objects, 1 to 1,000, default 1,000. */
  page(prefix: string, options?: { readonly after?: string | undefined; readonly limit?: number | undefined }): Promise<ObjectPage>
  /** A copy under another key, whole or not at all. @returns undefined when there is no such object. */
  copy(from: string, to: string, options?: ObjectOptions): Promise<StoredObject | undefined>
  /** Removes what uploads that never ended have left below the prefix since before then. @returns how many there were. */
  discardUnfinished(prefix: string, before: Date): Promise<number>
  /** Undefined when clients come through the application. */
  readonly direct: DirectAccessSigner | undefined
}

/** Of one page. */
export const pageObjectsMax = 1_000
