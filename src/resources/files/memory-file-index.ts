// Indexes that end with the process: the reference of what every index promises.

import { type Clock, systemClock } from '../../core/clock.ts'
import type { TenantId } from '../../core/tenant.ts'
import { FileExistsError } from '../../errors.ts'
import type { FileIndex, FileIndexes, FileUsage, IndexedFile } from './file-index.ts'
import type { FileKey } from './file-key.ts'
import { afterPut, assertWithin } from './file-quota.ts'

/** @see FileIndexes */
export class MemoryFileIndexes implements FileIndexes {
  readonly #tenants = new Map<TenantId, Map<FileKey, IndexedFile>>()
  readonly #clock: Clock

  constructor(clock: Clock = systemClock) {
    this.#clock = clock
  }

  for({ tenant }: Parameters<FileIndexes['for']>[0]): FileIndex {
    const files = this.#tenants.get(tenant.id) ?? new Map<FileKey, IndexedFile>()
    this.#tenants.set(tenant.id, files)
    const usage = (): FileUsage => ({ files: files.size, bytes: [...files.values()].reduce((sum, { bytes }) => sum + bytes, 0) })
    return {
      find: async (key) => files.get(key),
      page: async ({ prefix, after = '', limit }) => {
        const keys = [...files.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
        const page = keys.slice(0, limit)
        return { files: page.map((key) => files.get(key) as IndexedFile), next: keys.length > limit ? page.at(-1) : undefined }
      },
      usage: async () => usage(),
      put: async (file, { ifAbsent, quota }) => {
        const replaced = files.get(file.key)
        if (replaced !== undefined && ifAbsent) throw new FileExistsError(`There is a file ${file.key} already.`)
        assertWithin(quota, afterPut(usage(), file.bytes, replaced))
        const stored: IndexedFile = Object.freeze({ ...file, createdAt: new Date(this.#clock.now()) })
        files.set(file.key, stored)
        return { file: stored, replaced }
      },
      remove: async (key) => {
        const removed = files.get(key)
        files.delete(key)
        return removed
      },
      named: async (ids) => {
        const all = new Set([...files.values()].map(({ objectId }) => objectId))
        return new Set(ids.filter((id) => all.has(id)))
      },
      elsewhere: async (region, limit) => [...files.values()].filter((file) => file.region !== region).slice(0, limit),
      relocate: async (file, to) => {
        const now = files.get(file.key)
        if (now?.objectId !== file.objectId) return false
        files.set(file.key, Object.freeze({ ...now, ...to }))
        return true
      },
      recount: async () => usage(),
    }
  }
}
