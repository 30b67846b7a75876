// What keeps a tenant's files and its store in step: objects that no file names are taken away, and files follow their tenant to the
// store of its region. Both may be killed at any point and begun again.

import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../core/clock.ts'
import { AbortedError, FileCorruptError, InvalidInputError } from '../../errors.ts'
import type { FileStore } from '../../objects/file-store.ts'
import type { FileAccess } from './file-access.ts'
import { newObjectId, objectIdOf, objectKey, tenantPrefix } from './object-key.ts'

export interface SweepOptions {
  /** What is younger may be somebody's who is storing it. At least 3,600,000, default 86,400,000. */
  readonly olderThanMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What a sweep has removed. */
export interface Swept {
  readonly objects: number
  readonly bytes: number
  /** Uploads into the store that never ended. */
  readonly uploads: number
}

export interface RelocateOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: { readonly files: number; readonly bytes: number }) => void) | undefined
}

const olderThanMsMin = 3_600_000
const relocatedAtOnce = 100

export async function sweep(access: FileAccess, clock: Clock, { olderThanMs = 86_400_000, signal }: SweepOptions = {}): Promise<Swept> {
  if (!(olderThanMs >= olderThanMsMin)) throw new InvalidInputError(`olderThanMs is ${olderThanMs}. Give ${olderThanMsMin} or more.`)
  const { index, context } = access.parts
  const store = access.store()
  const before = new Date(clock.now() - olderThanMs)
  const prefix = tenantPrefix(context.tenant.id)
  let objects = 0
  let bytes = 0
  let after: string | undefined
  do {
    refuseAborted(signal)
    const page = await store.page(prefix, { after })
    const old = page.objects.filter(({ modifiedAt }) => modifiedAt < before)
    const named = await index.named(old.flatMap(({ key }) => objectIdOf(key) ?? []))
    for (const object of old) {
      const id = objectIdOf(object.key)
      if (id !== undefined && named.has(id)) continue
      await store.delete(object.key)
      objects += 1
      bytes += object.bytes
    }
    after = page.next
  } while (after !== undefined)
  await index.recount()
  return { objects, bytes, uploads: await store.discardUnfinished(prefix, before) }
}

export async function relocate(
  access: FileAccess,
  { signal, onProgress }: RelocateOptions = {},
): Promise<{ readonly files: number; readonly bytes: number }> {
  const { index, context } = access.parts
  const { region, id } = context.tenant
  let files = 0
  let bytes = 0
  for (;;) {
    const some = await index.elsewhere(region, relocatedAtOnce)
    if (some.length === 0) return { files, bytes }
    for (const file of some) {
      refuseAborted(signal)
      const source = access.storeOf(file)
      if (source === access.store()) {
        await index.relocate(file, { objectId: file.objectId, region })
        continue
      }
      const objectId = newObjectId()
      const carried = await access.carry(file, objectId, signal)
      if (carried === undefined) throw new FileCorruptError(`The file ${file.key} cannot follow its tenant: its store does not have it.`)
      const isSame = await index.relocate(file, { objectId, region })
      // Replaced or deleted meanwhile: then the copy is of nothing.
      if (isSame) await remove(source, objectKey(id, file.objectId))
      else await remove(access.store(), objectKey(id, objectId))
      files += 1
      bytes += file.bytes
      onProgress?.({ files, bytes })
    }
    await setImmediate()
  }
}

/** What stays is swept: nothing names it. */
async function remove(store: FileStore, object: string): Promise<void> {
  await store.delete(object).catch(() => {})
}

function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new AbortedError('It was given up. What was done is done; begin again for the rest.', { cause: signal.reason })
}
