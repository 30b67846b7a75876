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

/** Below `audit/`, one folder for each tenant. */
export function objectAnchors(store: AnchorObjects): AnchorStore {
  return {
    kind: store.kind,
    put: async (head) => {
      // The signature is in the name: what has it already is the same.
      await store.put(`${folderOf(head.tenant)}${anchorName(head)}`, once(Buffer.from(`${JSON.stringify(head)}\n`)))
    },
    list: async (tenant) => {
      const heads: SignedHead[] = []
      for (const { key } of await store.list(folderOf(tenant))) heads.push(headIn(await textOf(store, key), key))
      return heads
    },
  }
}

function folderOf(tenant: TenantId): string {
  return `audit/${tenant}/`
}

async function textOf(store: AnchorObjects, key: string): Promise<string> {
  const body = await store.get(key)
  if (body === undefined) throw new ObjectStoreError(`The anchor ${key} was in the list and is not there.`)
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}
