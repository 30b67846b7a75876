// offboard: closed at once, purged after a time of grace, read again, certified.
//
//   note ─► close-gate ─► mark-offboarding ─► end-statements ─► grace (waiting) ─► export ─► plan ─┬─► purge-… ─► verify ─► forget
//     └──────────────── cancel: the status and the gate come back as they were ◄───────────────────┘      └─► certify ─► seal
//
// From the first purge on there is no way back, only on: whatever fails is repeated until every store reads as empty.

import { createHash } from 'node:crypto'
import type { PurgeCount } from '../core/placement-adapter.ts'
import type { Json, TenantId } from '../core/tenant.ts'
import { ConfigurationError, InvalidInputError } from '../errors.ts'
import { certificateKey } from './certificate-key.ts'
import { closeGate, endStatements, mark, type NotedTenant, note, notedTenant, restore } from './gate-steps.ts'
import type { OperationJournal } from './journal.ts'
import { fieldsOf, type OperationDefinition, type StepContext, type WorkStep } from './operation.ts'
import { placementPurgeStore } from './placement-purge-store.ts'
import { notCoveredByPurges, type PurgeCertificate, type SignedCertificate, signCertificate } from './purge-certificate.ts'
import { assertEmpty, type PurgeStore, removedOf } from './purge-store.ts'
import type { TenantExport } from './tenant-exporter.ts'
import { settledTenant, type TenantLife, textField } from './tenant-life.ts'

export interface OffboardInput {
  /** How long the purge can still be called off. Milliseconds, 0 to 365 days; default 30 days. */
  readonly graceMs: number
  /** Where the tenant's rows are written before they are purged; without it they are not. */
  readonly exportTo?: string | undefined
  /** Rows deleted in one transaction, at most. Default: the store's. */
  readonly batchRows?: number | undefined
  /** A pause between batches. Milliseconds. Default: the store's. */
  readonly pauseMs?: number | undefined
}

type Step = WorkStep<OffboardInput>
type Context = StepContext<OffboardInput>

const dayMs = 86_400_000
export const graceMsDefault = 30 * dayMs
const graceMsMax = 365 * dayMs

export function offboard(life: TenantLife, journal: OperationJournal): OperationDefinition<OffboardInput> {
  const stores = [placementPurgeStore(life.placements), ...(life.stores ?? [])]
  return {
    kind: 'offboard',
    givesWayTo: [],
    undoesRefusals: true,
    parse: (input) => parsed(life, input),
    steps: (input) => [
      rememberTenant(life),
      closeGate(life),
      mark(life, 'offboarding'),
      endStatements(life),
      { name: 'grace', describe: 'Waits: until then it can be called off.', waitMs: input.graceMs },
      ...exportRows(life, input),
      plan(life, stores),
      ...stores.map((store) => purge(store, input)),
      verify(stores),
      forget(life, journal),
      certify(life, stores),
      seal(life),
    ],
    undo: () => [restore(life)],
  }
}

function parsed(life: TenantLife, given: unknown): OffboardInput {
  const { graceMs = graceMsDefault, exportTo, batchRows, pauseMs } = fieldsOf(given, ['graceMs', 'exportTo', 'batchRows', 'pauseMs'])
  if (exportTo !== undefined && life.exporter === undefined) {
    throw new ConfigurationError('An export was asked for, and this installation has no exporter.')
  }
  return {
    graceMs: whole('graceMs', graceMs, 0, graceMsMax),
    ...(exportTo !== undefined && { exportTo: textField('exportTo', exportTo) }),
    ...(batchRows !== undefined && { batchRows: whole('batchRows', batchRows, 1, 1_000_000) }),
    ...(pauseMs !== undefined && { pauseMs: whole('pauseMs', pauseMs, 0, 60_000) }),
  }
}

function whole(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  throw new InvalidInputError(`${name} is ${String(value)}. Give a whole number from ${least} to ${most}.`)
}

/** As `note`, with the hash of the slug: when the certificate is written the catalog has forgotten the name. */
function rememberTenant(life: TenantLife): Step {
  const base = note<OffboardInput>(life)
  return {
    ...base,
    run: async (context) => {
      const { slug } = await settledTenant(life, context.tenantId)
      await assertNobodyBelow(life, context.tenantId)
      const slugSha256 = createHash('sha256').update(slug).digest('hex')
      return { ...((await base.run(context)) as Record<string, Json>), slugSha256 }
    },
  }
}

/** The catalog cannot forget a tenant that others name as the one above them. @throws {InvalidInputError} */
async function assertNobodyBelow(life: TenantLife, id: TenantId): Promise<void> {
  const { tenants } = await life.catalog.list({ parentId: id, limit: 10 })
  if (tenants.length === 0) return
  const names = tenants.map(({ slug }) => slug).join(', ')
  throw new InvalidInputError(`The tenant is above others: ${names}. Off-board them first, or give them another parent.`)
}

function exportRows(life: TenantLife, { exportTo }: OffboardInput): readonly Step[] {
  const { exporter } = life
  if (exporter === undefined || exportTo === undefined) return []
  const run = async (context: Context): Promise<Json> => {
    const { signal, progress } = context
    const { manifest, sha256, tables } = await exporter.export(noted(context), { to: exportTo, signal, onProgress: progress })
    const rows = tables.reduce((total, table) => total + table.rows, 0)
    return { manifest, sha256, rows, tables: tables.length }
  }
  return [{ name: 'export', describe: `Writes the tenant’s rows to ${exportTo}, a file for each table.`, run }]
}

function plan(life: TenantLife, stores: readonly PurgeStore[]): Step {
  return {
    name: 'plan',
    describe: `Asks every store what it has of the tenant: ${stores.map((store) => store.name).join(', ')}.`,
    run: async (context) => {
      // Somebody may have come below it during the grace: from the next step on it would be too late to find out.
      await assertNobodyBelow(life, context.tenantId)
      const found: Record<string, readonly PurgeCount[]> = {}
      for (const store of stores) found[store.name] = await store.plan(noted(context))
      return found as unknown as Json
    },
  }
}

function purge(store: PurgeStore, { batchRows, pauseMs }: OffboardInput): Step {
  return {
    name: `purge-${store.name}`,
    describe: `Removes what ${store.name} has of the tenant, in batches. There is no way back from here.`,
    isFinal: true,
    run: async (context) => {
      const onProgress = ({ count, kind, where }: PurgeCount): void => context.progress(`${count} ${kind} removed from ${where}`)
      const removed = await store.purge(noted(context), { batchRows, pauseMs, signal: context.signal, onProgress })
      return removed as unknown as Json
    },
  }
}

function verify(stores: readonly PurgeStore[]): Step {
  return {
    name: 'verify',
    describe: 'Reads every store again. If anything is left, it stops here and nothing is certified.',
    run: async (context) => {
      const left: Record<string, readonly PurgeCount[]> = {}
      for (const store of stores) left[store.name] = (await store.verify(noted(context))).filter(({ count }) => count > 0)
      assertEmpty(Object.entries(left).flatMap(([store, counts]) => counts.map((count) => ({ ...count, store }))))
      return left as unknown as Json
    },
  }
}

function forget(life: TenantLife, journal: OperationJournal): Step {
  return {
    name: 'forget',
    describe: 'Removes the tenant from the catalog and leaves a tombstone; forgets what earlier operations were given.',
    isDone: async ({ tenantId, operation }) => {
      await journal.redact(tenantId, operation.id)
      return (await life.catalog.find({ kind: 'id', id: tenantId })) === undefined
    },
    run: async ({ tenantId, operation }) => {
      await journal.redact(tenantId, operation.id)
      await life.catalog.remove(tenantId)
      life.onTenantChanged?.(tenantId)
      return undefined
    },
  }
}

function certify(life: TenantLife, stores: readonly PurgeStore[]): Step {
  return {
    name: 'certify',
    describe: 'Writes the purge certificate and signs it.',
    run: async (context) => {
      const signed = await signCertificate(certificateOf(context, stores), await certificateKey(life.secrets))
      return signed satisfies SignedCertificate as unknown as Json
    },
  }
}

function seal(life: TenantLife): Step {
  return {
    name: 'seal',
    describe: 'Keeps the certificate’s hash with the tombstone.',
    run: async ({ tenantId, outputs }) => {
      const { sha256 } = outputs['certify'] as unknown as SignedCertificate
      await life.catalog.noteCertificate(tenantId, sha256)
      return undefined
    },
  }
}

function noted(context: Context): NotedTenant & { readonly slugSha256: string } {
  // The step `note` comes before all who ask.
  return notedTenant(context) as NotedTenant & { readonly slugSha256: string }
}

function certificateOf(context: Context, stores: readonly PurgeStore[]): PurgeCertificate {
  const { operation, outputs, input } = context
  const { id, region, placement, slugSha256 } = noted(context)
  const counts = (step: string): readonly PurgeCount[] => (outputs[step] as unknown as readonly PurgeCount[] | undefined) ?? []
  const byStore = (step: string, store: string): readonly PurgeCount[] =>
    (outputs[step] as unknown as Record<string, readonly PurgeCount[]>)[store] ?? []
  const purges = stores.map(({ name }) => operation.steps[`purge-${name}`])
  const exported = outputs['export'] as unknown as (Pick<TenantExport, 'sha256'> & { readonly rows: number }) | undefined
  return {
    version: 1,
    operation: operation.id,
    tenant: { id, slugSha256, region, placement },
    requestedBy: operation.actor,
    requestedAt: operation.createdAt.toISOString(),
    reason: operation.reason,
    purgedFrom: purges[0]?.startedAt ?? '',
    purgedUntil: purges.at(-1)?.endedAt ?? '',
    verifiedAt: operation.steps['verify']?.endedAt ?? '',
    export: input.exportTo === undefined || exported === undefined ? null : { manifestSha256: exported.sha256, rows: exported.rows },
    stores: stores.map(({ name }) => {
      const [before, after] = [byStore('plan', name), byStore('verify', name)]
      return { store: name, before, removed: removedOf(before, counts(`purge-${name}`), after), after }
    }),
    notCovered: notCoveredByPurges,
  }
}
