// Where backups are kept: bytes by key. What is kept there is sealed already, so that a store need not be trusted to keep a secret,
// nor to give back what it was given: whatever was changed is noticed when it is opened.

import { InvalidInputError } from '../errors.ts'

/** A stream of bytes, read once. */
export type ByteStream = AsyncIterable<Uint8Array>

export interface StoredObject {
  readonly key: string
  readonly bytes: number
}

export interface ObjectOptions {
  readonly signal?: AbortSignal | undefined
}

/** Keeps objects by key. Memory does not grow with their size. */
export interface ObjectStore {
  /** Which kind it is, for messages: `memory`, `directory`, `s3`. */
  readonly kind: string
  /**
   * Keeps what the stream yields, in the place of what had this key before: all of it, durably, when it resolves. When it rejects, or
   * the process is killed in between, whatever had the key before is still there, and nothing else.
   *
   * @throws {ObjectStoreError} when the store does not answer, refuses or is full. An error of the stream is passed on as it is.
   */
  put(key: string, body: ByteStream, options?: ObjectOptions): Promise<StoredObject>
  /** @returns undefined when there is no such object. The stream throws {@link ObjectStoreError} when it breaks off. */
  get(key: string, options?: ObjectOptions): Promise<ByteStream | undefined>
  head(key: string): Promise<StoredObject | undefined>
  /** One that is not there is no error. */
  delete(key: string): Promise<void>
  /** Those whose key begins with `prefix`, in order of their characters; all of them for an empty one. */
  list(prefix: string): Promise<readonly StoredObject[]>
}

const segment = '[A-Za-z0-9][A-Za-z0-9._-]{0,127}'
const keyPattern = new RegExp(`^${segment}(/${segment}){0,7}$`)
const prefixPattern = new RegExp(`^(${segment}/){0,7}(${segment})?$`)

/** @throws {InvalidInputError} for a key that some store could read as another one, or as a path out of it. */
export function checkedObjectKey(key: string): string {
  if (typeof key === 'string' && keyPattern.test(key)) return key
  throw new InvalidInputError(
    `Not the key of an object: ${JSON.stringify(String(key).slice(0, 80))}. Write one to eight segments of letters, digits, ".", "_" and "-", with slashes between.`,
  )
}

/** @throws {InvalidInputError} for a text with which no key begins. */
export function checkedObjectPrefix(prefix: string): string {
  if (typeof prefix === 'string' && prefixPattern.test(prefix)) return prefix
  throw new InvalidInputError(`No key of an object begins with ${JSON.stringify(String(prefix).slice(0, 80))}.`)
}
