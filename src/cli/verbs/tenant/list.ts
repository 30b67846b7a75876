// partywall tenant list: page by page, so that no number of tenants is too many.

import type { Tenant } from '../../../core/tenant.ts'
import type { Tenants } from '../../../core/tenants.ts'
import { needsCatalog, withCatalog } from '../../control-plane.ts'
import { verb } from '../../verb.ts'

const pageMax = 1_000

export const list = verb({
  summary: 'List tenants',
  flags: {
    plan: { kind: 'text', about: 'only those on this plan' },
    status: { kind: 'choice', of: ['onboarding', 'active', 'suspended', 'offboarding'], about: 'only those in this state' },
  },
  examples: ['partywall tenant list', 'partywall tenant list --plan enterprise --json'],
  needs: needsCatalog,
  async run({ flags, output, terminal }) {
    await withCatalog(terminal, ({ tenants }) =>
      output.table(everyPage(tenants, flags), {
        SLUG: (row) => row.slug,
        STATUS: (row) => row.status,
        PLAN: (row) => row.plan,
        PLACEMENT: (row) => row.placement.isolation,
        REGION: (row) => row.region,
        ID: (row) => row.id,
        NAME: (row) => row.name,
      }),
    )
  },
})

async function* everyPage(
  tenants: Tenants,
  filter: { readonly plan?: string | undefined; readonly status?: Tenant['status'] | undefined },
) {
  for (let after: Tenant['id'] | undefined, more = true; more; more = after !== undefined) {
    const page = await tenants.list({ ...filter, limit: pageMax, after })
    yield* page.tenants
    after = page.next
  }
}
