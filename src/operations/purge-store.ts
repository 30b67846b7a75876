// Whatever may hold something of a tenant. A store that is registered is planned, purged, read again, and certified.

import type { PlacedTenant, PurgeCount } from '../core/placement-adapter.ts'
import { PurgeIncompleteError } from '../errors.ts'

export interface PurgeOptions {
  /** Rows, or whatever the store counts, in one batch, at most. */
  readonly batchRows?: number | undefined
  readonly pauseMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((count: PurgeCount) => void) | undefined
}

/** Every verb may be repeated, also when the tenant's place is gone already. */
export interface PurgeStore {
  /** A word, once in an installation: `placement`, `catalog`, `cache`, … */
  readonly name: string
  /** What is there. Nothing is changed. */
  plan(tenant: PlacedTenant): Promise<readonly PurgeCount[]>
  /** Removes it, in bounded batches. @returns what was removed. */
  purge(tenant: PlacedTenant, options: PurgeOptions): Promise<readonly PurgeCount[]>
  /** Reads again. @returns what is still there: nothing, or the purge failed. */
  verify(tenant: PlacedTenant): Promise<readonly PurgeCount[]>
}

/** One line of the account of a purge. */
export interface PurgeAccount extends PurgeCount {
  readonly store: string
}

/** What was removed, by kind and place. A batch whose report was lost with its process is counted by what is no longer there. */
export function removedOf(
  before: readonly PurgeCount[],
  reported: readonly PurgeCount[],
  after: readonly PurgeCount[],
): readonly PurgeCount[] {
  const places = new Map([...before, ...reported].map(({ kind, where }) => [`${kind} ${where}`, { kind, where }]))
  const sum = (counts: readonly PurgeCount[], kind: string, where: string): number =>
    counts.reduce((total, each) => (each.kind === kind && each.where === where ? total + each.count : total), 0)
  return [...places.values()]
    .map(({ kind, where }) => ({
      kind,
      where,
      count: Math.max(sum(reported, kind, where), sum(before, kind, where) - sum(after, kind, where)),
    }))
    .filter(({ count }) => count > 0)
}

/** @throws {PurgeIncompleteError} when anything is left. */
export function assertEmpty(left: readonly PurgeAccount[]): void {
  const rest = left.filter(({ count }) => count > 0)
  if (rest.length === 0) return
  const what = rest.map(({ store, kind, where, count }) => `${count} ${kind} in ${where} (${store})`).join(', ')
  throw new PurgeIncompleteError(`Read again after the purge, there still is: ${what}. Nothing is certified.`, { details: { left: rest } })
}
