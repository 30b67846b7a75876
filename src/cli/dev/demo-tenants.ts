// The tenants of the demonstration: made when they are missing, filled when they are empty, each with an API key and a token.

import type { Isolation } from '../../core/placement.ts'
import { parseTenantSlug, type Tenant, type TenantId } from '../../core/tenant.ts'
import { ConfigurationError } from '../../errors.ts'
import type { Fleet } from '../../fleet.ts'
import { issueApiKey } from '../../identity/api-key.ts'
import { issueToken } from '../../identity/jwt.ts'
import type { Tenancy } from '../../tenancy.ts'
import type { DevFile } from '../dev-file.ts'
import type { Application } from './application.ts'
import type { Secrets } from './secrets.ts'
import { retryOnboarding } from './unfinished.ts'

/** One of them, as it is shown and written to dev.json. */
export interface DemoTenant {
  readonly tenant: Tenant
  readonly token: string
  readonly apiKey: string
}

const demo = [
  { slug: 'acme', name: 'Acme Corporation', plan: 'free' },
  { slug: 'globex', name: 'Globex', plan: 'team' },
  { slug: 'initech', name: 'Initech', plan: 'business' },
  { slug: 'umbrella', name: 'Umbrella', plan: 'enterprise' },
] as const

/** Suspended but for a moment at each start: the self-check needs neighbours who are, in the shared tables and in a schema. */
const drills = [
  { slug: 'fire-drill', name: 'Fire Drill', plan: 'free' },
  { slug: 'fire-drill-team', name: 'Fire Drill of the team plan', plan: 'team' },
] as const

export const issuer = 'https://partywall.localhost/dev'
const tokenLifeSec = 12 * 3_600

/** The demo tenants, active and filled; and those for the self-check. */
export async function openDemoTenants(options: {
  readonly tenancy: Tenancy
  readonly fleet: Fleet
  readonly application: Application
  readonly secrets: Secrets
  readonly report: (line: string) => void
}): Promise<{
  readonly shown: readonly DemoTenant[]
  readonly drills: readonly DemoTenant[]
  readonly apiKeys: Readonly<Record<string, string>>
}> {
  const { tenancy, fleet, application, secrets, report } = options
  const open = async (wanted: { readonly slug: string; readonly name: string; readonly plan: string }): Promise<DemoTenant> => {
    const tenant = await openTenant(fleet, wanted, report)
    await application.seed(tenancy, tenant)
    return {
      tenant,
      token: await demoToken({ tenant, application, secrets }),
      apiKey: await openApiKey(tenancy, tenant.id, secrets.apiKeys[wanted.slug]),
    }
  }
  const shown: DemoTenant[] = []
  for (const wanted of demo) shown.push(await open(wanted))
  const drilled: DemoTenant[] = []
  for (const wanted of drills) drilled.push(await open(wanted))
  const apiKeys = Object.fromEntries([...shown, ...drilled].map(({ tenant, apiKey }) => [tenant.slug, apiKey]))
  return { shown, drills: drilled, apiKeys }
}

/**
 * One that a demonstration can move.
 *
 * @throws {ConfigurationError} when it cannot: it is none of them, it is there already, or its server is that of the `partywall dev`.
 */
export async function findDemoTenant(
  { fleet, dev }: { readonly fleet: Pick<Fleet, 'catalog'>; readonly dev: Pick<DevFile, 'tenants'> },
  { slug, to }: { readonly slug: string; readonly to: Isolation },
): Promise<Tenant> {
  const slugs = dev.tenants.map((one) => one.slug)
  if (!slugs.includes(slug)) throw new ConfigurationError(`${slug} is no demo tenant: ${slugs.join(', ')} are.`)
  const tenant = (await fleet.catalog.find({ kind: 'slug', slug: parseTenantSlug(slug) }))!
  const { isolation } = tenant.placement
  if (isolation === 'server')
    throw new ConfigurationError(`The server of ${slug} is run by partywall dev, and stays: choose another tenant.`)
  if (isolation === to) throw new ConfigurationError(`${slug} lives there already (${to}): choose another --to.`)
  return tenant
}

async function openTenant(
  fleet: Fleet,
  wanted: { readonly slug: string; readonly name: string; readonly plan: string },
  report: (line: string) => void,
): Promise<Tenant> {
  const { catalog, tenants } = fleet
  const lookup = { kind: 'slug', slug: parseTenantSlug(wanted.slug) } as const
  const found = await catalog.find(lookup)
  if (found === undefined) {
    await tenants.onboard(wanted)
    const made = (await catalog.find(lookup))!
    report(`Onboarded ${made.slug}, plan ${made.plan}: ${made.placement.isolation}`)
    return made
  }
  if (found.status === 'onboarding') await retryOnboarding(fleet, found.id)
  if (found.status === 'suspended') await tenants.resume(found.id, { reason: 'partywall dev starts with its demo tenants active.' })
  return (await catalog.find(lookup))!
}

async function demoToken(options: {
  readonly tenant: Tenant
  readonly application: Application
  readonly secrets: Secrets
}): Promise<string> {
  const { tenant, application, secrets } = options
  return await issueToken({
    algorithm: 'HS256',
    key: Buffer.from(secrets.tokenKey, 'base64url'),
    issuer,
    audience: application.name,
    subject: `demo@${tenant.slug}`,
    tenants: [tenant.id],
    ttlSec: tokenLifeSec,
  })
}

/** The key of the last run while it is good; else a new one. */
async function openApiKey(tenancy: Tenancy, tenantId: TenantId, text: string | undefined): Promise<string> {
  const prefix = text?.split('_').at(-2)
  const known = prefix === undefined ? undefined : await tenancy.apiKeys.find(prefix)
  if (text !== undefined && known?.tenantId === tenantId && known.revokedAt === undefined && known.expiresAt === undefined) return text
  return (await issueApiKey(tenancy.apiKeys, { tenantId, name: 'partywall dev', environment: 'dev' })).text
}
