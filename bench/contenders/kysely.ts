// Kysely twice: on plain pg with a hand-written WHERE, past the policies; and on the wall, where the tenant is implied.

import { Kysely, PostgresDialect } from 'kysely'
import { type Contender, Draws, expectRows, type Site } from '../workload.ts'
import { contextsOf, openTenancy } from './partywall.ts'
import { rawPool } from './pg-raw.ts'

interface Schema {
  documents: { tenant_id: string; id: string; title: string; body: string; created_at: Date }
}

export async function openKyselyPg(site: Site, name: string): Promise<Contender> {
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool: rawPool(site, name) }) })
  const draws = new Draws(site, process.pid)
  return {
    operations: {
      'point-read': async () => {
        const { tenantId, id } = draws.next()
        const row = await db
          .selectFrom('documents')
          .select(['id', 'title', 'body'])
          .where('tenant_id', '=', tenantId)
          .where('id', '=', id)
          .executeTakeFirst()
        expectRows(row === undefined ? 0 : 1, 1)
      },
    },
    close: () => db.destroy(),
  }
}

export async function openKyselyPartywall(site: Site, name: string): Promise<Contender> {
  const tenancy = await openTenancy(site, name)
  const contexts = await contextsOf(tenancy, site.tenantIds)
  const db = tenancy.db<Schema>()
  const draws = new Draws(site, process.pid)
  const { scope } = tenancy
  for (const context of contexts) await scope.run(context, () => tenancy.query('select 1'))
  return {
    operations: {
      'point-read': async () => {
        const { tenant, id } = draws.next()
        const row = await scope.run(contexts[tenant]!, () =>
          db.selectFrom('documents').select(['id', 'title', 'body']).where('id', '=', id).executeTakeFirst(),
        )
        expectRows(row === undefined ? 0 : 1, 1)
      },
    },
    close: () => tenancy.close(),
  }
}
