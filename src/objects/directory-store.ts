// Objects as files below one directory, the key being the path. A file appears whole: it is written beside its place, brought to the
// disk, and renamed. Below the directory nothing that is a symbolic link is followed, whoever put it there.

import { randomUUID } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { copyFile, type FileHandle, lstat, mkdir, open, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { systemClock } from '../core/clock.ts'
import { AbortedError, ObjectStoreError, TenancyError } from '../errors.ts'
import { filesBelow, partPrefix, removeParts } from './directory-walk.ts'
import { type ByteRange, type FileStore, type KeptObject, type ObjectPage, pageObjectsMax } from './file-store.ts'
import { type ByteStream, checkedObjectKey, checkedObjectPrefix, type ObjectOptions, type StoredObject } from './object-store.ts'

/**
 * Keeps objects below a directory of this machine, or of a file system that is mounted there. Its files can be read by their owner
 * alone. Made when the first object is put.
 *
 * @example
 * ```ts
 * const backups = { store: directoryStore('/var/backups/partywall') }
 * ```
 */
export function directoryStore(path: string): FileStore {
  return new DirectoryObjectStore(resolve(path))
}

/** Longer than an object takes to be written. */
const leftoverMs = 2 * 86_400_000
const openTriesMax = 100

class DirectoryObjectStore implements FileStore {
  readonly kind = 'directory'
  readonly direct = undefined
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  async put(key: string, body: ByteStream, { signal }: ObjectOptions = {}): Promise<StoredObject> {
    return await this.#appear('put', key, (handle) => writeAll(handle, body, signal))
  }

  async get(key: string, { signal }: ObjectOptions = {}): Promise<ByteStream | undefined> {
    const path = this.#pathOf(key)
    return (await this.head(key)) === undefined ? undefined : readPieces(path, key, {}, signal)
  }

  async getRange(key: string, { start, end }: ByteRange, { signal }: ObjectOptions = {}): Promise<ByteStream | undefined> {
    const path = this.#pathOf(key)
    if ((await this.head(key)) === undefined) return undefined
    // The stream's own `end` is the last byte.
    return start >= end ? nothing() : readPieces(path, key, { start, end: end - 1 }, signal)
  }

  async head(key: string): Promise<StoredObject | undefined> {
    const path = this.#pathOf(key)
    try {
      await this.#refuseLinks(key)
      const found = await lstat(path)
      return found.isFile() ? { key, bytes: found.size } : undefined
    } catch (error) {
      if (isMissing(error)) return undefined
      throw failed(`head ${key}`, error)
    }
  }

  async delete(key: string): Promise<void> {
    const path = this.#pathOf(key)
    try {
      await this.#refuseLinks(key)
      await rm(path, { force: true })
    } catch (error) {
      // A directory of that name holds other keys; there is no object of this one.
      if (isMissing(error) || codeOf(error) === 'ERR_FS_EISDIR') return
      throw failed(`delete ${key}`, error)
    }
    await this.#removeEmptyAbove(dirname(path))
  }

  async list(prefix: string): Promise<readonly StoredObject[]> {
    checkedObjectPrefix(prefix)
    try {
      await removeParts(this.#root, prefix, new Date(systemClock.now() - leftoverMs))
      const found: StoredObject[] = []
      for await (const { key, bytes } of filesBelow(this.#root, prefix, '')) found.push({ key, bytes })
      return found
    } catch (error) {
      throw failed(`list ${prefix}`, error)
    }
  }

  async page(
    prefix: string,
    { after = '', limit = pageObjectsMax }: { after?: string | undefined; limit?: number | undefined } = {},
  ): Promise<ObjectPage> {
    checkedObjectPrefix(prefix)
    const objects: KeptObject[] = []
    try {
      for await (const found of filesBelow(this.#root, prefix, after)) {
        if (objects.length === limit) return { objects, next: objects.at(-1)?.key }
        objects.push(found)
      }
    } catch (error) {
      throw failed(`list ${prefix}`, error)
    }
    return { objects, next: undefined }
  }

  async copy(from: string, to: string): Promise<StoredObject | undefined> {
    const source = this.#pathOf(from)
    const found = await this.head(from)
    if (found === undefined) return undefined
    return await this.#appear('copy to', to, async (_handle, part) => {
      // A file system that can shares the blocks.
      await copyFile(source, part, constants.COPYFILE_FICLONE)
      return found.bytes
    })
  }

  async discardUnfinished(prefix: string, before: Date): Promise<number> {
    checkedObjectPrefix(prefix)
    return await removeParts(this.#root, prefix, before)
  }

  /** Makes the file beside its place, and renames it. */
  async #appear(what: string, key: string, make: (handle: FileHandle, part: string) => Promise<number>): Promise<StoredObject> {
    const path = this.#pathOf(key)
    const directory = dirname(path)
    const part = join(directory, `${partPrefix}${randomUUID()}`)
    try {
      await this.#refuseLinks(key)
      const handle = await openPart(directory, part)
      let bytes: number
      try {
        bytes = await make(handle, part)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(part, path)
      await syncDirectories(directory, this.#root)
      return { key, bytes }
    } catch (error) {
      await rm(part, { force: true }).catch(() => {})
      throw failed(`${what} ${key}`, error)
    }
  }

  #pathOf(key: string): string {
    return join(this.#root, ...checkedObjectKey(key).split('/'))
  }

  /** @throws {ObjectStoreError} when a step of the way is a symbolic link. The directory itself may be one: that is the operator's. */
  async #refuseLinks(key: string): Promise<void> {
    let at = this.#root
    for (const segment of key.split('/')) {
      at = join(at, segment)
      const found = await lstat(at).catch(() => undefined)
      if (found === undefined) return
      if (found.isSymbolicLink()) {
        throw new ObjectStoreError(`The directory of objects: a symbolic link is on the way to ${key}. It is not followed.`, {
          retryable: false,
        })
      }
    }
  }

  /** Another may put something there at this moment: then the directory is not empty, and stays. */
  async #removeEmptyAbove(directory: string): Promise<void> {
    for (let at = directory; at !== this.#root && at.startsWith(this.#root); at = dirname(at)) {
      try {
        await rmdir(at)
      } catch {
        return
      }
    }
  }
}

/** Whoever deletes the last file of a directory takes it away, maybe between two steps of ours: then it is made again. */
async function openPart(directory: string, part: string): Promise<FileHandle> {
  for (let tries = 1; ; tries += 1) {
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      return await open(part, 'wx', 0o600)
    } catch (error) {
      if (!isMissing(error) || tries === openTriesMax) throw error
    }
  }
}

async function writeAll(handle: FileHandle, body: ByteStream, signal: AbortSignal | undefined): Promise<number> {
  let bytes = 0
  for await (const piece of body) {
    if (signal?.aborted === true) throw new AbortedError('Storing was cancelled. Nothing of the object is kept.')
    for (let at = 0; at < piece.byteLength; ) at += (await handle.write(piece, at)).bytesWritten
    bytes += piece.byteLength
  }
  return bytes
}

/** The name of a new file is durable when its directory is, and that of a new directory when the one above it is. */
async function syncDirectories(directory: string, root: string): Promise<void> {
  for (let at = directory; ; at = dirname(at)) {
    // One that is gone was emptied by who deleted the object meanwhile.
    await sync(at).catch((error: unknown) => {
      if (!isMissing(error)) throw error
    })
    if (at === root || !at.startsWith(root)) return
  }
}

async function* readPieces(
  path: string,
  key: string,
  range: { readonly start?: number; readonly end?: number },
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW
  try {
    const stream = createReadStream(path, {
      ...range,
      flags: flags as unknown as string,
      highWaterMark: 262_144,
      ...(signal && { signal }),
    })
    for await (const piece of stream) yield piece as Buffer
  } catch (error) {
    throw signal?.aborted === true ? new AbortedError(`Reading ${key} was cancelled.`) : failed(`get ${key}`, error)
  }
}

async function* nothing(): AsyncGenerator<never> {}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(codeOf(error))
}

function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown }).code ?? '')
}

/** What the stream of the caller threw is not the store's failure. */
function failed(what: string, error: unknown): unknown {
  if (error instanceof TenancyError || !(error instanceof Error) || !('syscall' in error)) return error
  const code = codeOf(error)
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  const advice = isFull ? ' There is no space left: delete something, or give it more.' : ''
  return new ObjectStoreError(`The directory of objects: ${what}: ${code}.${advice}`, { cause: error, retryable: false, details: { code } })
}
