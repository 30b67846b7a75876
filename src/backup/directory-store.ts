// Objects as files below one directory, the key being the path. A file appears whole: it is written beside its place, brought to the
// disk, and renamed.

import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, opendir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { systemClock } from '../core/clock.ts'
import { AbortedError, ObjectStoreError, TenancyError } from '../errors.ts'
import {
  type ByteStream,
  checkedObjectKey,
  checkedObjectPrefix,
  type ObjectOptions,
  type ObjectStore,
  type StoredObject,
} from './object-store.ts'

/**
 * Keeps backups below a directory of this machine, or of a file system that is mounted there. Its files can be read by their owner
 * alone. Made when the first object is put.
 *
 * @example
 * ```ts
 * const backups = { store: directoryStore('/var/backups/partywall') }
 * ```
 */
export function directoryStore(path: string): ObjectStore {
  return new DirectoryObjectStore(resolve(path))
}

/** A file that is being written. No key ends so, since a key's segment begins with a letter or a digit. */
const partPrefix = '.part-'
/** Longer than an object takes to be written. */
const leftoverMs = 2 * 86_400_000

class DirectoryObjectStore implements ObjectStore {
  readonly kind = 'directory'
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  async put(key: string, body: ByteStream, { signal }: ObjectOptions = {}): Promise<StoredObject> {
    const path = this.#pathOf(key)
    const directory = dirname(path)
    const part = join(directory, `${partPrefix}${randomUUID()}`)
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const bytes = await writeDurably(part, body, signal)
      await rename(part, path)
      await syncDirectories(directory, this.#root)
      return { key, bytes }
    } catch (error) {
      await rm(part, { force: true }).catch(() => {})
      throw failed(`put ${key}`, error)
    }
  }

  async get(key: string, { signal }: ObjectOptions = {}): Promise<ByteStream | undefined> {
    const path = this.#pathOf(key)
    if ((await this.head(key)) === undefined) return undefined
    return readPieces(path, key, signal)
  }

  async head(key: string): Promise<StoredObject | undefined> {
    const path = this.#pathOf(key)
    try {
      const found = await stat(path)
      return found.isFile() ? { key, bytes: found.size } : undefined
    } catch (error) {
      if (isMissing(error)) return undefined
      throw failed(`head ${key}`, error)
    }
  }

  async delete(key: string): Promise<void> {
    const path = this.#pathOf(key)
    try {
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
    // All that begins so is below the last whole segment.
    const from = prefix.includes('/') ? prefix.slice(0, prefix.lastIndexOf('/')) : ''
    const found: StoredObject[] = []
    try {
      await collect(this.#root, from, found, systemClock.now() - leftoverMs)
    } catch (error) {
      throw failed(`list ${prefix}`, error)
    }
    return found.filter(({ key }) => key.startsWith(prefix)).sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  #pathOf(key: string): string {
    return join(this.#root, ...checkedObjectKey(key).split('/'))
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

async function writeDurably(part: string, body: ByteStream, signal: AbortSignal | undefined): Promise<number> {
  const handle = await open(part, 'wx', 0o600)
  let bytes = 0
  try {
    for await (const piece of body) {
      if (signal?.aborted === true) throw new AbortedError('Storing was cancelled. Nothing of the object is kept.')
      for (let at = 0; at < piece.byteLength; ) at += (await handle.write(piece, at)).bytesWritten
      bytes += piece.byteLength
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
  return bytes
}

/** The name of a new file is durable when its directory is, and that of a new directory when the one above it is. */
async function syncDirectories(directory: string, root: string): Promise<void> {
  for (let at = directory; ; at = dirname(at)) {
    const handle = await open(at, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
    if (at === root || !at.startsWith(root)) return
  }
}

async function* readPieces(path: string, key: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 262_144, ...(signal && { signal }) })) yield piece as Buffer
  } catch (error) {
    throw signal?.aborted === true ? new AbortedError(`Reading ${key} was cancelled.`) : failed(`get ${key}`, error)
  }
}

/** What a killed process was writing is taken away as it is come across. */
async function collect(root: string, path: string, found: StoredObject[], leftBefore: number): Promise<void> {
  const directory = await opendir(join(root, path)).catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw error
  })
  if (directory === undefined) return
  for await (const entry of directory) {
    if (entry.name.startsWith(partPrefix)) await removeLeftover(join(root, path, entry.name), leftBefore)
    if (entry.name.startsWith('.')) continue
    const key = path === '' ? entry.name : `${path}/${entry.name}`
    if (entry.isDirectory()) await collect(root, key, found, leftBefore)
    else if (entry.isFile()) {
      const size = await stat(join(root, key)).then(
        ({ size: bytes }) => bytes,
        () => undefined,
      )
      if (size !== undefined) found.push({ key, bytes: size })
    }
  }
}

async function removeLeftover(part: string, leftBefore: number): Promise<void> {
  try {
    if ((await stat(part)).mtimeMs < leftBefore) await rm(part, { force: true })
  } catch {
    // Somebody else's business, or gone already: a list does not fail for it.
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
  const advice = isFull ? ' There is no space left: prune backups, or give it more.' : ''
  return new ObjectStoreError(`The directory of backups: ${what}: ${code}.${advice}`, { cause: error, retryable: false, details: { code } })
}
