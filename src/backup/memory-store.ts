// Objects that end with the process: for tests, and the reference of what every store promises.

import { AbortedError } from '../errors.ts'
import {
  type ByteStream,
  checkedObjectKey,
  checkedObjectPrefix,
  type ObjectOptions,
  type ObjectStore,
  type StoredObject,
} from './object-store.ts'

/** Backups in this process alone. */
export function memoryStore(): ObjectStore {
  return new MemoryObjectStore()
}

class MemoryObjectStore implements ObjectStore {
  readonly kind = 'memory'
  readonly #objects = new Map<string, Buffer>()

  async put(key: string, body: ByteStream, { signal }: ObjectOptions = {}): Promise<StoredObject> {
    checkedObjectKey(key)
    const pieces: Uint8Array[] = []
    for await (const piece of body) {
      if (signal?.aborted === true) throw new AbortedError(`Storing ${key} was cancelled.`)
      pieces.push(Uint8Array.from(piece))
    }
    const object = Buffer.concat(pieces)
    this.#objects.set(key, object)
    return { key, bytes: object.byteLength }
  }

  async get(key: string): Promise<ByteStream | undefined> {
    const object = this.#objects.get(checkedObjectKey(key))
    return object === undefined ? undefined : piecesOf(object)
  }

  async head(key: string): Promise<StoredObject | undefined> {
    const object = this.#objects.get(checkedObjectKey(key))
    return object === undefined ? undefined : { key, bytes: object.byteLength }
  }

  async delete(key: string): Promise<void> {
    this.#objects.delete(checkedObjectKey(key))
  }

  async list(prefix: string): Promise<readonly StoredObject[]> {
    checkedObjectPrefix(prefix)
    const found = [...this.#objects].filter(([key]) => key.startsWith(prefix))
    return found.map(([key, object]) => ({ key, bytes: object.byteLength })).sort((a, b) => (a.key < b.key ? -1 : 1))
  }
}

async function* piecesOf(object: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < object.byteLength; at += 65_536) yield Buffer.from(object.subarray(at, at + 65_536))
}
