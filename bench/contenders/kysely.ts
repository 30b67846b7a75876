// Kysely twice: on plain pg with a hand-written WHERE, past the policies; and on the wall, where the tenant is implied.

import { Kysely, PostgresDialect } from 'kysely'
import { type Contender, Draws, expectRows, listLength, type Site } from '../workload.ts'
import { rawPool } from './pg-raw.ts'

export interface Schema {
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
      list: async () => {
        const rows = await db
          .selectFrom('documents')
          .select(['id', 'title', 'created_at'])
          .where('tenant_id', '=', draws.next().tenantId)
          .orderBy('created_at', 'desc')
          .limit(listLength)
          .execute()
        expectRows(rows.length, listLength)
      },
    },
    close: () => db.destroy(),
  }
}
