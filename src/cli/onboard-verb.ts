// Onboarding on the command line: `tenant onboard`, and `tenant create`, which shows nothing on the way.

import { type Isolation, isolations } from '../core/placement.ts'
import type { OnboardTenant } from '../operations/operations.ts'
import { assertKnowsMigrations, fleetTenant, needsFleet, withFleet } from './fleet-plane.ts'
import { keyValues } from './key-values.ts'
import { operationProgress } from './operation-progress.ts'
import { tellPlan } from './told-operation.ts'
import { type Verb, verb } from './verb.ts'

const flags = {
  name: { kind: 'text', about: 'what people call it (default: the slug)' },
  plan: { kind: 'text', about: 'its plan (default: free)' },
  region: { kind: 'text', about: 'where its data must stay (default: default)' },
  isolation: { kind: 'choice', of: isolations, about: 'where it lives (default: what the plan says)' },
  server: { kind: 'text', about: 'this server and no other' },
  parent: { kind: 'text', value: 'tenant', about: 'the tenant above it: an id or a slug' },
  feature: { kind: 'list', isWhole: true, value: 'k=json', about: 'a feature of its own; may be given several times' },
  domain: { kind: 'list', value: 'host', about: 'host names of its own' },
  adminEmail: { kind: 'text', value: 'address', about: 'its first user: makes an API key too, which is printed once' },
  reason: { kind: 'text', value: 'why', about: 'kept in the audit trail' },
  dryRun: { kind: 'switch', about: 'say what would be done, and do nothing' },
} as const

export function onboardVerb(about: {
  readonly summary: string
  readonly details: string
  readonly examples: readonly [string, ...string[]]
  readonly showsProgress: boolean
}): Verb {
  const { showsProgress, ...texts } = about
  return verb({
    ...texts,
    args: { slug: 'its short name, for people and hosts: lower-case letters, digits and dashes' },
    flags,
    needs: needsFleet,
    async run({ args: { slug }, flags: given, output, progress, signal, terminal }) {
      const { adminEmail, dryRun, isolation, name = slug, plan, reason, region, server } = given
      const onProgress = showsProgress && !dryRun ? operationProgress(progress, `onboard ${slug}`) : undefined
      const { report, tenant } = await withFleet(terminal, async (plane) => {
        const wanted: OnboardTenant = {
          slug,
          name,
          plan,
          region,
          isolation: isolation as Isolation | undefined,
          server,
          parentId: given.parent === undefined ? undefined : (await fleetTenant(plane, given.parent)).id,
          features: given.feature.length === 0 ? undefined : keyValues('--feature', given.feature),
          domains: given.domain.length === 0 ? undefined : given.domain,
          admin: adminEmail === undefined ? undefined : { email: adminEmail },
        }
        await assertKnowsMigrations(plane, wanted.isolation ?? plane.config.plans?.[plan ?? 'free']?.placement ?? 'pooled')
        const { fleet, actor } = plane
        const told = await fleet.tenants.onboard(wanted, { actor, reason, dryRun, onProgress, signal })
        const { operation } = told
        return { report: told, tenant: operation && (await fleetTenant(plane, operation.tenantId)) }
      })
      progress.finish()
      if (tenant === undefined) return await tellPlan(output, report.plan)
      output.record({ ...tenant, ...report.handedOut })
      if (report.handedOut['apiKey'] !== undefined) terminal.note('The API key is printed this once: nobody can print it again.')
    },
  })
}
