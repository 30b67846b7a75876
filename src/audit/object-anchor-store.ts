// Anchors as objects, in a store where backups may be kept too: in a bucket whose objects cannot be deleted (object lock) nobody who
// owns the database and the application can take one away.

import type { TenantId } from '../core/tenant.ts'
import { ObjectStoreError } from '../errors.ts'
import { type AnchorStore, anchorName, headIn } from './anchor-store.ts'
import type { SignedHead } from './signed-head.ts'

/** What is needed of a store of objects: those of backups have it. */
export interface AnchorObjects {
  readonly kind: string
  put(key: string, body: AsyncIterable<Uint8Array>): Promise<unknown>
  get(key: string): Promise<AsyncIterable<Uint8Array> | undefined>
  list(prefix: string): Promise<readonly { readonly key: string }[]>
}

const readsAtOnce = 16

/** Below `audit/`, one folder for each tenant. */
export function objectAnchors(store: AnchorObjects): AnchorStore {
  return {
    kind: store.kind,
    put: async (head) => {
      const key = `${folderOf(head.tenant)}${anchorName(head)}`
      const text = `${JSON.stringify(head)}\n`
      const kept = await textOf(store, key)
      if (kept === undefined) await store.put(key, once(Buffer.from(text)))
      // The signature is in the name: under it is the same, or what somebody else put there, which is evidence.
      else if (kept !== text) throw new ObjectStoreError(`The anchor ${key} is there already, and is another. Find out who wrote it.`)
    },
    list: async (tenant) => {
      const keys = await keysOf(store, tenant)
      const heads: SignedHead[] = []
      // One an hour are many in a year: some at a time.
      for (let from = 0; from < keys.length; from += readsAtOnce) {
        heads.push(...(await Promise.all(keys.slice(from, from + readsAtOnce).map(async (key) => await headAt(store, key)))))
      }
      return heads
    },
    latest: async (tenant) => {
      const key = (await keysOf(store, tenant)).at(-1)
      return key === undefined ? undefined : await headAt(store, key)
    },
  }
}

function folderOf(tenant: TenantId): string {
  return `audit/${tenant}/`
}

/** Stores list in whatever order they like. */
async function keysOf(store: AnchorObjects, tenant: TenantId): Promise<readonly string[]> {
  return (await store.list(folderOf(tenant))).map(({ key }) => key).sort()
}

async function headAt(store: AnchorObjects, key: string): Promise<SignedHead> {
  const text = await textOf(store, key)
  if (text === undefined) throw new ObjectStoreError(`The anchor ${key} was in the list and is not there.`)
  return headIn(text, key)
}

async function textOf(store: AnchorObjects, key: string): Promise<string | undefined> {
  const body = await store.get(key)
  if (body === undefined) return undefined
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}
