// How a grant is opened: by who asked for it, who proves with the private key to be that person.

import type { KeyObject } from 'node:crypto'
import { BreakGlassRefusedError } from '../errors.ts'
import { parseGrantId } from './break-glass.ts'
import { openingText, signText } from './break-glass-documents.ts'
import type { BreakGlassStore } from './break-glass-store.ts'
import { findUsable, type GrantWitnesses, OpenGrantUse, pinnedStaff } from './grant-use.ts'
import { parsePrivateKey, publicTextOf } from './staff.ts'
import type { Json, Tenant, TenantId } from './tenant.ts'
import { createTenantContext, type TenantContext, type TenantScope } from './tenant-context.ts'

/** What an opening needs. */
export interface OpeningWitnesses extends GrantWitnesses {
  readonly store: Pick<BreakGlassStore, 'find' | 'findStaff' | 'advance'>
}

/**
 * Opens the grant, or uses one again that is open: recorded, with the signature of who does, before it resolves.
 *
 * @param key the private key of who asked for the grant.
 * @throws {GrantNotFoundError} {@link BreakGlassRefusedError} {@link InvalidInputError}
 */
async function openGrant(witnesses: OpeningWitnesses, id: string, key: KeyObject, requestId: string): Promise<OpenGrantUse> {
  const { store, clock, auditTrail } = witnesses
  const grantId = parseGrantId(id)
  try {
    const { grant, endsAt } = await findUsable(witnesses, grantId)
    const { member } = await pinnedStaff(witnesses, grant.requestedBy)
    if (member === undefined || publicTextOf(key) !== member.publicKey) {
      throw new BreakGlassRefusedError(`Grant ${grantId} is ${grant.requestedBy}'s: it is opened with that person's key alone.`)
    }
    const use = new OpenGrantUse(grant, endsAt, witnesses, requestId)
    const at = new Date(clock.now())
    const signature = signText(key, openingText({ grantId, by: grant.requestedBy, at }))
    await use.note('break_glass.open', { scope: grant.scope, approvedBy: grant.decidedBy ?? '', at: at.toISOString(), signature })
    if (grant.state === 'approved') await store.advance(grantId, 'open', grant.requestedBy)
    await use.assertUsable()
    return use
  } catch (error) {
    const grant = error instanceof BreakGlassRefusedError ? await store.find(grantId) : undefined
    if (grant !== undefined) {
      await auditTrail.record({
        action: 'break_glass.open',
        outcome: 'refused',
        actor: undefined,
        tenantId: grant.tenantId,
        requestId,
        reason: (error as Error).message,
        details: { grant: grantId, state: grant.state },
      })
      if (await store.advance(grantId, 'expired', 'partywall')) await noteExpired(witnesses, grantId)
    }
    throw error
  }
}

/** Where a use runs. */
interface GrantGround extends OpeningWitnesses {
  readonly tenants: { get(ref: TenantId): Promise<Tenant> }
  readonly scope: TenantScope
  /** The tenant's own log. */
  readonly log: { noteOwn(context: TenantContext, operation: string, details: Readonly<Record<string, Json>>): Promise<void> }
}

/** Opens the grant, runs `fn` in the scope of its tenant, and ends the use. @throws as {@link openGrant}, and what `fn` throws. */
export async function runByGrant<T>(
  ground: GrantGround,
  grantId: string,
  { key, requestId = crypto.randomUUID() }: { readonly key: string; readonly requestId?: string | undefined },
  fn: (context: TenantContext) => T | Promise<T>,
): Promise<T> {
  const use = await openGrant(ground, grantId, parsePrivateKey(key), requestId)
  try {
    const tenant = await ground.tenants.get(use.tenantId)
    const context = createTenantContext({ tenant, actor: { kind: 'staff', id: use.staffId }, requestId, grant: use })
    const { ticket, reason, endsAt } = use
    await ground.log.noteOwn(context, 'break_glass.open', { reason, ticket, until: endsAt.toISOString() })
    try {
      return await ground.scope.run(context, async (inside) => await fn(inside))
    } finally {
      use.end()
      // It is in the control plane's trail as well, and what `fn` threw says more.
      await ground.log.noteOwn(context, 'break_glass.end', { ticket }).catch(() => {})
    }
  } finally {
    use.end()
  }
}

/** Keeps that a grant was found to be over. */
export async function noteExpired({ store, auditTrail }: Pick<GrantWitnesses, 'store' | 'auditTrail'>, id: string): Promise<void> {
  const grant = await store.find(id)
  await auditTrail.record({
    action: 'break_glass.expire',
    outcome: 'allowed',
    actor: { kind: 'system', id: 'partywall' },
    tenantId: grant?.tenantId,
    requestId: undefined,
    reason: grant?.reason,
    details: { grant: id, until: grant?.expiresAt?.toISOString() ?? '' },
  })
}
