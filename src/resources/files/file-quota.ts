// How much a tenant may have, counted in one way by every index.

import { QuotaExceededError } from '../../errors.ts'
import type { FileQuota, FileUsage } from './file-index.ts'

/** What is used when a file has come, and what it replaces has gone. */
export function afterPut(usage: FileUsage, bytes: number, replaced: { readonly bytes: number } | undefined): FileUsage {
  return {
    files: usage.files + (replaced === undefined ? 1 : 0),
    bytes: usage.bytes + bytes - (replaced?.bytes ?? 0),
  }
}

/** @throws {QuotaExceededError} */
export function assertWithin(quota: FileQuota, usage: FileUsage): void {
  for (const [name, used, most] of [
    ['bytesMax', usage.bytes, quota.bytesMax],
    ['filesMax', usage.files, quota.filesMax],
  ] as const) {
    if (used <= most) continue
    throw new QuotaExceededError(`The tenant's files would come to ${used} (${name} ${most}). Nothing of this one is kept.`, {
      details: { bound: name, value: most },
    })
  }
}
