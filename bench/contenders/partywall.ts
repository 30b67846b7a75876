// The subject: what an application writes. A context stands for a request that the middleware has let in.

import { createTenantContext, type TenantContext } from '../../src/core/tenant-context.ts'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import type { AuditOptions } from '../../src/tenant-audit.ts'
import { type Contender, Draws, expectRows, explicit, implied, listLength, type Site } from '../workload.ts'

/** A tenancy on the run's database. Capabilities outlive the run, so that renewal is not measured with some windows only. */
export async function openTenancy(site: Site, name: string, audit?: AuditOptions): Promise<Tenancy> {
  return await createTenancy({
    catalog: site.urls.gatekeeper,
    database: site.urls.app,
    applicationName: name,
    secrets: { get: async (secret) => site.secrets?.[secret] },
    pool: { connectionsMax: site.connectionsMax, ownConnectionsMax: site.connectionsMax },
    capabilityTtlMs: 3_600_000,
    tenantTtlMs: 3_600_000,
    audit,
  })
}

export async function contextsOf(tenancy: Tenancy, tenantIds: readonly string[]): Promise<readonly TenantContext[]> {
  const contexts: TenantContext[] = []
  for (const id of tenantIds) contexts.push(createTenantContext({ tenant: await tenancy.tenants.get(id) }))
  return contexts
}

export async function openPartywall(site: Site, name: string): Promise<Contender> {
  return await contenderOf(site, await openTenancy(site, name))
}

/** Every statement is recorded in its tenant's log, in batches. */
export async function openAudited(site: Site, name: string): Promise<Contender> {
  return await contenderOf(site, await openTenancy(site, name, {}))
}

/** Every statement is recorded, durably, before it is sent. */
export async function openStrictlyAudited(site: Site, name: string): Promise<Contender> {
  return await contenderOf(site, await openTenancy(site, name, { strict: 'all' }))
}

async function contenderOf(site: Site, tenancy: Tenancy): Promise<Contender> {
  const contexts = await contextsOf(tenancy, site.tenantIds)
  const scanned = new Map((await contextsOf(tenancy, site.scannedTenantIds)).map((context) => [context.tenant.id as string, context]))
  const draws = new Draws(site, process.pid)
  const { scope } = tenancy
  for (const context of contexts) await scope.run(context, () => tenancy.query('select 1'))
  return {
    operations: {
      'point-read': async () => {
        const { tenant, id } = draws.next()
        const { rows } = await scope.run(contexts[tenant]!, () => tenancy.query(implied.pointRead, [id]))
        expectRows(rows.length, 1)
      },
      insert: async () => {
        const { tenant, tenantId, id } = draws.fresh()
        await scope.run(contexts[tenant]!, () => tenancy.query(explicit.insert, [tenantId, id, 'Title', 'Body']))
      },
      list: async () => {
        const { tenant } = draws.next()
        const { rows } = await scope.run(contexts[tenant]!, () => tenancy.query(implied.list))
        expectRows(rows.length, listLength)
      },
      transaction: async () => {
        const { tenant, id } = draws.next()
        await scope.run(contexts[tenant]!, () =>
          tenancy.transaction(async (tx) => {
            await tx.query(implied.pointRead, [id])
            await tx.query(implied.update, [id, 'A new body'])
            const { rows } = await tx.query(implied.pointRead, [id])
            expectRows(rows.length, 1)
          }),
        )
      },
      'full-scan': async () => {
        const tenantId = draws.scanned()
        const { rows } = await scope.run(scanned.get(tenantId)!, () => tenancy.query(explicit.scan, [tenantId]))
        expectRows(rows.length, 1)
      },
    },
    settle: () => tenancy.audit.flush(),
    close: () => tenancy.close(),
  }
}
