// Steps that several operations share: what the tenant was, its gate, its statements, and the way back.

import type { PlacedTenant } from '../core/placement-adapter.ts'
import type { Json, Tenant, TenantStatus } from '../core/tenant.ts'
import type { StepContext, WorkStep } from './operation.ts'
import { existing, placed, settledTenant, type TenantLife } from './tenant-life.ts'

/** What the step `note` remembers: enough to go on when the catalog has forgotten the tenant, and to go back. */
export interface NotedTenant extends PlacedTenant {
  readonly status: TenantStatus
}

/** Remembers the tenant as it was. Refuses one on its way in or out. */
export function note<Input>(life: TenantLife): WorkStep<Input> {
  return {
    name: 'note',
    describe: 'Makes sure that the tenant is neither being set up nor being off-boarded, and remembers its state.',
    isLight: true,
    run: async ({ tenantId }) => {
      const tenant = await settledTenant(life, tenantId)
      return { ...placed(tenant), status: tenant.status } satisfies NotedTenant as unknown as Json
    },
  }
}

/** @returns undefined when the operation was undone before it looked. */
export function notedTenant(context: StepContext<unknown>): NotedTenant | undefined {
  return context.outputs['note'] as unknown as NotedTenant | undefined
}

/** Gate first: whatever happens afterwards, the tenant is out. */
export function closeGate<Input>(life: TenantLife): WorkStep<Input> {
  return {
    name: 'close-gate',
    describe: 'Closes the tenant’s gate in its database: no statement begins after this.',
    run: async ({ tenantId }) => {
      await setGate(life, await existing(life, tenantId), 'suspended')
      return undefined
    },
  }
}

/** Statements that began before the gate closed. */
export function endStatements<Input>(life: TenantLife): WorkStep<Input> {
  return {
    name: 'end-statements',
    describe: 'Ends the tenant’s statements that still run.',
    run: async ({ tenantId, progress }) => {
      const tenant = await existing(life, tenantId)
      const ended = await life.placements(tenant.placement.isolation).endStatements(placed(tenant))
      progress(`${ended} statements ended`)
      return { ended }
    },
  }
}

export function mark<Input>(life: TenantLife, status: TenantStatus): WorkStep<Input> {
  return {
    name: `mark-${status}`,
    describe: `Marks the tenant as ${status} in the catalog.`,
    run: async ({ tenantId }) => {
      await life.catalog.setStatus(tenantId, status)
      life.onTenantChanged?.(tenantId)
      return undefined
    },
  }
}

/** The way back: the status and the gate as they were noted. */
export function restore<Input>(life: TenantLife): WorkStep<Input> {
  return {
    name: 'restore',
    describe: 'Gives the tenant its status and its gate back.',
    run: async (context) => {
      const before = notedTenant(context)
      // Not noted: then nothing was touched.
      if (before === undefined) return undefined
      // Deleted past all operations: there is nothing to give back to.
      if ((await life.catalog.find({ kind: 'id', id: context.tenantId })) === undefined) return undefined
      const tenant = await life.catalog.setStatus(context.tenantId, before.status)
      await setGate(life, tenant, before.status === 'active' ? 'open' : 'suspended')
      life.onTenantChanged?.(context.tenantId)
      return undefined
    },
  }
}

export async function setGate(life: TenantLife, tenant: Tenant, state: 'open' | 'suspended'): Promise<void> {
  await life.placements(tenant.placement.isolation).setGate(placed(tenant), state)
}
