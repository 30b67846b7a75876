// Objects that end with the process: for tests, and the reference of what every store promises.

import { systemClock } from '../core/clock.ts'
import { AbortedError } from '../errors.ts'
import { type ByteRange, type FileStore, type ObjectPage, pageObjectsMax } from './file-store.ts'
import { type ByteStream, checkedObjectKey, checkedObjectPrefix, type ObjectOptions, type StoredObject } from './object-store.ts'

/** Objects in this process alone. */
export function memoryStore(): FileStore {
  return new MemoryObjectStore()
}

interface Held {
  readonly content: Buffer
  readonly modifiedAt: Date
}

class MemoryObjectStore implements FileStore {
  readonly kind = 'memory'
  readonly direct = undefined
  readonly #objects = new Map<string, Held>()

  async put(key: string, body: ByteStream, { signal }: ObjectOptions = {}): Promise<StoredObject> {
    checkedObjectKey(key)
    const pieces: Uint8Array[] = []
    for await (const piece of body) {
      if (signal?.aborted === true) throw new AbortedError(`Storing ${key} was cancelled.`)
      pieces.push(Uint8Array.from(piece))
    }
    return this.#keep(key, Buffer.concat(pieces))
  }

  async get(key: string, { signal }: ObjectOptions = {}): Promise<ByteStream | undefined> {
    const held = this.#objects.get(checkedObjectKey(key))
    return held === undefined ? undefined : piecesOf(held.content, key, signal)
  }

  async getRange(key: string, { start, end }: ByteRange, { signal }: ObjectOptions = {}): Promise<ByteStream | undefined> {
    const held = this.#objects.get(checkedObjectKey(key))
    return held === undefined ? undefined : piecesOf(held.content.subarray(start, end), key, signal)
  }

  async head(key: string): Promise<StoredObject | undefined> {
    const held = this.#objects.get(checkedObjectKey(key))
    return held === undefined ? undefined : { key, bytes: held.content.byteLength }
  }

  async delete(key: string): Promise<void> {
    this.#objects.delete(checkedObjectKey(key))
  }

  async list(prefix: string): Promise<readonly StoredObject[]> {
    return this.#keysOf(prefix).map((key) => ({ key, bytes: this.#objects.get(key)?.content.byteLength ?? 0 }))
  }

  async page(
    prefix: string,
    { after = '', limit = pageObjectsMax }: { after?: string | undefined; limit?: number | undefined } = {},
  ): Promise<ObjectPage> {
    const keys = this.#keysOf(prefix).filter((key) => key > after)
    const objects = keys.slice(0, limit).map((key) => {
      const { content, modifiedAt } = this.#objects.get(key) as Held
      return { key, bytes: content.byteLength, modifiedAt }
    })
    return { objects, next: keys.length > limit ? objects.at(-1)?.key : undefined }
  }

  async copy(from: string, to: string): Promise<StoredObject | undefined> {
    checkedObjectKey(to)
    const held = this.#objects.get(checkedObjectKey(from))
    return held === undefined ? undefined : this.#keep(to, held.content)
  }

  async discardUnfinished(prefix: string): Promise<number> {
    checkedObjectPrefix(prefix)
    return 0
  }

  #keep(key: string, content: Buffer): StoredObject {
    this.#objects.set(key, { content, modifiedAt: new Date(systemClock.now()) })
    return { key, bytes: content.byteLength }
  }

  #keysOf(prefix: string): readonly string[] {
    checkedObjectPrefix(prefix)
    return [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).sort()
  }
}

async function* piecesOf(object: Buffer, key: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < object.byteLength; at += 65_536) {
    if (signal?.aborted === true) throw new AbortedError(`Reading ${key} was cancelled.`)
    yield Buffer.from(object.subarray(at, at + 65_536))
  }
}
