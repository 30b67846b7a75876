// Rival: @usebetterdev/tenant-drizzle, a published library for tenants on Drizzle, used as its documentation shows.

import { betterTenant } from '@usebetterdev/tenant-core'
import { drizzleDatabase } from '@usebetterdev/tenant-drizzle'
import { desc, eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core'
import { type Contender, Draws, expectRows, listLength, type Site } from '../workload.ts'
import { rlsPool } from './rls-transaction.ts'

const documents = pgTable('documents', {
  tenantId: uuid('tenant_id').notNull(),
  id: uuid('id').notNull(),
  title: text('title').notNull(),
  body: text('body').notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
})

export async function openTenantDrizzle(site: Site, name: string): Promise<Contender> {
  const pool = rlsPool(site, name)
  const database = drizzleDatabase(drizzle({ client: pool }))
  const tenants = betterTenant({ database, tenantResolver: {}, loadTenant: false, telemetry: { enabled: false } })
  const draws = new Draws(site, process.pid)
  const pointColumns = { id: documents.id, title: documents.title, body: documents.body }
  return {
    operations: {
      'point-read': async () => {
        const { tenantId, id } = draws.next()
        const rows = await tenants.runAs(tenantId, (db) => db.select(pointColumns).from(documents).where(eq(documents.id, id)))
        expectRows(rows.length, 1)
      },
      insert: async () => {
        const { tenantId, id } = draws.fresh()
        await tenants.runAs(tenantId, (db) => db.insert(documents).values({ tenantId, id, title: 'Title', body: 'Body' }))
      },
      list: async () => {
        const columns = { id: documents.id, title: documents.title, createdAt: documents.createdAt }
        const rows = await tenants.runAs(draws.next().tenantId, (db) =>
          db.select(columns).from(documents).orderBy(desc(documents.createdAt)).limit(listLength),
        )
        expectRows(rows.length, listLength)
      },
      transaction: async () => {
        const { tenantId, id } = draws.next()
        await tenants.runAs(tenantId, async (db) => {
          await db.select(pointColumns).from(documents).where(eq(documents.id, id))
          await db.update(documents).set({ body: 'A new body' }).where(eq(documents.id, id))
          const rows = await db.select(pointColumns).from(documents).where(eq(documents.id, id))
          expectRows(rows.length, 1)
        })
      },
    },
    close: () => pool.end(),
  }
}
