// Rivals: pg without isolation, a role that bypasses the policies, and a WHERE in every statement.

import pg from 'pg'
import { type Contender, Draws, expectRows, explicit, listLength, type Site } from '../workload.ts'

export function rawPool(site: Site, name: string): pg.Pool {
  return new pg.Pool({ connectionString: site.urls.raw, application_name: name, max: site.connectionsMax, idleTimeoutMillis: 0 })
}

/** Prepared statements, as fast as pg goes without pipelining. */
export async function openPgNamed(site: Site, name: string): Promise<Contender> {
  return openRaw(site, name, true)
}

/** `pool.query(text, values)`, as most applications write it. */
export async function openPgUnnamed(site: Site, name: string): Promise<Contender> {
  return openRaw(site, name, false)
}

function openRaw(site: Site, applicationName: string, isNamed: boolean): Contender {
  const pool = rawPool(site, applicationName)
  const draws = new Draws(site, process.pid)
  const { schemas } = site
  const statement = (name: string, text: string, values: unknown[], tenant = 0): pg.QueryConfig => {
    if (schemas === undefined) return isNamed ? { name, text, values } : { text, values }
    // Without a search path: every schema has its own text, and its own plan.
    const schema = schemas[tenant]!
    const here = text.replace(/\b(from|into|update) documents\b/, `$1 ${schema}.documents`)
    return isNamed ? { name: `${name} ${schema}`, text: here, values } : { text: here, values }
  }
  return {
    operations: {
      'point-read': async () => {
        const { tenant, tenantId, id } = draws.next()
        const { rows } = await pool.query(statement('point-read', explicit.pointRead, [tenantId, id], tenant))
        expectRows(rows.length, 1)
      },
      insert: async () => {
        const { tenant, tenantId, id } = draws.fresh()
        await pool.query(statement('insert', explicit.insert, [tenantId, id, 'Title', 'Body'], tenant))
      },
      list: async () => {
        const { tenant, tenantId } = draws.next()
        const { rows } = await pool.query(statement('list', explicit.list, [tenantId], tenant))
        expectRows(rows.length, listLength)
      },
      transaction: async () => {
        const { tenant, tenantId, id } = draws.next()
        const client = await pool.connect()
        try {
          await client.query(statement('begin', 'begin', []))
          await client.query(statement('point-read', explicit.pointRead, [tenantId, id], tenant))
          await client.query(statement('update', explicit.update, [tenantId, id, 'A new body'], tenant))
          const { rows } = await client.query(statement('point-read', explicit.pointRead, [tenantId, id], tenant))
          await client.query(statement('commit', 'commit', []))
          expectRows(rows.length, 1)
        } finally {
          client.release()
        }
      },
      'full-scan': async () => {
        const { rows } = await pool.query(statement('scan', explicit.scan, [draws.scanned()]))
        expectRows(rows.length, 1)
      },
    },
    close: () => pool.end(),
  }
}
