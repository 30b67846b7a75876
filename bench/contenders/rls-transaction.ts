// Rival: the usual way. BEGIN, set_config of a plain setting, the statement, COMMIT: four round trips.

import pg from 'pg'
import { type Contender, type Draw, Draws, expectRows, explicit, implied, listLength, type Site } from '../workload.ts'

export function rlsPool(site: Site, name: string): pg.Pool {
  return new pg.Pool({ connectionString: site.urls.rls, application_name: name, max: site.connectionsMax, idleTimeoutMillis: 0 })
}

export async function openRlsTransaction(site: Site, name: string): Promise<Contender> {
  const pool = rlsPool(site, name)
  const draws = new Draws(site, process.pid)
  const within = async ({ tenantId }: Draw, fn: (client: pg.PoolClient) => Promise<void>): Promise<void> => {
    const client = await pool.connect()
    try {
      await client.query('begin')
      await client.query(`select set_config('app.current_tenant', $1, true)`, [tenantId])
      await fn(client)
      await client.query('commit')
    } finally {
      client.release()
    }
  }
  return {
    operations: {
      'point-read': async () => {
        const draw = draws.next()
        await within(draw, async (client) => expectRows((await client.query(implied.pointRead, [draw.id])).rows.length, 1))
      },
      insert: async () => {
        const draw = draws.fresh()
        await within(draw, async (client) => void (await client.query(explicit.insert, [draw.tenantId, draw.id, 'Title', 'Body'])))
      },
      list: async () => {
        await within(draws.next(), async (client) => expectRows((await client.query(implied.list)).rows.length, listLength))
      },
      transaction: async () => {
        const draw = draws.next()
        await within(draw, async (client) => {
          await client.query(implied.pointRead, [draw.id])
          await client.query(implied.update, [draw.id, 'A new body'])
          expectRows((await client.query(implied.pointRead, [draw.id])).rows.length, 1)
        })
      },
    },
    close: () => pool.end(),
  }
}
