// Where a store keeps a tenant's files. This file alone makes such keys:
//
//   files / 32 hex digits of sha256(tenant id) / 2 hex digits / random uuid        a file
//   files / 32 hex digits of sha256(tenant id) / incoming / random uuid            what a client has sent, before anybody looked at it
//
// All prefixes have one length and end with a slash, so that none contains another. Nothing that a tenant or a client chose is part of
// it; lists and logs of the store tell no names. The epoch is not part of it either: files outlive every change of their tenant.

import { createHash, randomUUID } from 'node:crypto'
import { parseTenantId, type TenantId } from '../../core/tenant.ts'

declare const brand: unique symbol

/** The key of an object below its tenant's prefix. */
export type ObjectKey = string & { readonly [brand]: 'ObjectKey' }

/** The random id of a stored object. What is stored under it never changes. */
export type ObjectId = string & { readonly [brand]: 'ObjectId' }

export function newObjectId(): ObjectId {
  return randomUUID() as string as ObjectId
}

/** What all keys of the tenant begin with, and no other tenant's. @throws {InvalidTenantRefError} */
export function tenantPrefix(tenantId: TenantId): string {
  const digest = createHash('sha256')
    .update(`partywall files\0${parseTenantId(tenantId)}`)
    .digest('hex')
  return `files/${digest.slice(0, 32)}/`
}

export function objectKey(tenantId: TenantId, objectId: ObjectId): ObjectKey {
  return `${tenantPrefix(tenantId)}${objectId.slice(0, 2)}/${objectId}` as ObjectKey
}

/** Where a client puts what it sends straight to the store. No file is ever served from there. */
export function incomingKey(tenantId: TenantId, uploadId: ObjectId): ObjectKey {
  return `${tenantPrefix(tenantId)}incoming/${uploadId}` as ObjectKey
}

/** The id in an object's key; undefined for what was never a file. */
export function objectIdOf(key: string): ObjectId | undefined {
  return /\/[0-9a-f]{2}\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(key)?.[1] as ObjectId | undefined
}
