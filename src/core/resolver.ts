// Which tenant a request is for. The one source of truth is the verified identity; hints only select, and must agree.
//
//   no identity                                    → 401
//   no hint:   one membership                      → that tenant
//              none, or several                    → 400, the request names no tenant
//   hints:     all name one tenant of the caller's → that tenant
//              one is the caller's, others differ  → 400, audited
//              none is the caller's, or exists     → 404, audited; the two are the same in text and in work done
//   the tenant is suspended or off-boarding        → 403, but only members get this far

import {
  HintMismatchError,
  IdentityRequiredError,
  type TenancyError,
  TenantNotFoundError,
  TenantOffboardingError,
  TenantOnboardingError,
  TenantRequiredError,
  TenantSuspendedError,
} from '../errors.ts'
import type { AuditTrail } from './audit-trail.ts'
import type { TenantLookup } from './catalog.ts'
import type { TenantHint } from './hints.ts'
import { type Identity, isMember } from './identity.ts'
import type { Tenant } from './tenant.ts'

/** What the resolver needs of the catalog. A cached directory will do: suspension is enforced by the database. */
export interface TenantFinder {
  /** @returns undefined when there is no such tenant. */
  find(lookup: TenantLookup): Promise<Tenant | undefined>
}

/** What is known of a request, and what to look tenants up in. */
export interface ResolveOptions {
  readonly identity: Identity | undefined
  readonly hints: readonly TenantHint[]
  readonly tenants: TenantFinder
  readonly auditTrail: AuditTrail
  readonly requestId: string
}

/**
 * The tenant that the request is for: exists, is active, and the caller belongs to it.
 *
 * @throws {IdentityRequiredError} (401) without an identity.
 * @throws {TenantRequiredError} (400) when the identity has no membership or several, and there is no hint.
 * @throws {HintMismatchError} (400) when a hint names the caller's tenant and another one does not. Audited.
 * @throws {TenantNotFoundError} (404) when the tenant is unknown or not the caller's. Audited.
 * @throws {TenantOnboardingError} (503) for members of a tenant that is being set up.
 * @throws {TenantSuspendedError} (403) for members of a suspended tenant.
 * @throws {TenantOffboardingError} (403) for members of a tenant that is being closed.
 */
export async function resolveTenant(options: ResolveOptions): Promise<Tenant> {
  const { identity, hints, tenants } = options
  if (identity === undefined) throw new IdentityRequiredError('The request carries no credential.')
  const lookups = hints.length > 0 ? hints.map((hint) => hint.lookup) : soleMembership(identity)
  // All of them, always: a caller must not learn from the time or the answer which of his guesses exists.
  const found = await Promise.all(lookups.map(async (lookup) => onlyIfAsked(lookup, await tenants.find(lookup))))
  const mine = found.filter((tenant) => tenant !== undefined && isMember(identity, tenant))
  const tenant = mine[0]
  if (tenant === undefined) {
    throw await refusal(options, found, new TenantNotFoundError('The tenant is unknown, or the caller does not belong to it.'))
  }
  if (found.some((other) => other?.id !== tenant.id)) {
    const sources = hints.map((hint) => hint.source).join(', ')
    throw await refusal(options, found, new HintMismatchError(`The hints of this request (${sources}) do not agree on one tenant.`))
  }
  switch (tenant.status) {
    case 'active':
      return tenant
    case 'onboarding':
      throw new TenantOnboardingError(`Tenant ${tenant.id} is being set up.`)
    case 'suspended':
      throw new TenantSuspendedError(`Tenant ${tenant.id} is suspended.`)
    case 'offboarding':
      throw new TenantOffboardingError(`Tenant ${tenant.id} is being closed.`)
  }
}

function soleMembership(identity: Identity): readonly TenantLookup[] {
  const [only, ...more] = identity.memberships
  if (only !== undefined && more.length === 0) return [only]
  throw new TenantRequiredError(
    only === undefined
      ? 'The identity belongs to no tenant.'
      : `The identity belongs to ${identity.memberships.length} tenants and the request names none of them. Send a hint, e.g. X-Tenant-ID.`,
  )
}

/** A finder that answers with another tenant than it was asked for must not be believed, whatever cache it read. */
function onlyIfAsked(lookup: TenantLookup, tenant: Tenant | undefined): Tenant | undefined {
  if (tenant === undefined) return undefined
  switch (lookup.kind) {
    case 'id':
      return tenant.id === lookup.id ? tenant : undefined
    case 'slug':
      return tenant.slug === lookup.slug ? tenant : undefined
    case 'domain':
      return tenant.domains.includes(lookup.domain) ? tenant : undefined
  }
}

/** Records the refusal. It stands even when it cannot be recorded; the failure then travels as its cause. */
async function refusal(options: ResolveOptions, found: readonly (Tenant | undefined)[], error: TenancyError): Promise<TenancyError> {
  try {
    await options.auditTrail.record({
      action: 'tenancy.resolve',
      outcome: 'refused',
      actor: options.identity?.actor,
      // Nobody's tenant: an attempt on a tenant must not show its id in the attempter's log, nor his in the other's.
      tenantId: undefined,
      requestId: options.requestId,
      reason: error.code,
      details: { sources: options.hints.map((hint) => hint.source), named: found.map((tenant) => tenant?.id ?? null) },
    })
  } catch (cause) {
    error.cause = cause
  }
  return error
}
