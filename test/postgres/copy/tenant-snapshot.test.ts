import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isolations } from '../../../src/core/placement.ts'
import { openTenantSnapshot } from '../../../src/postgres/copy/tenant-snapshot.ts'
import { type Fleet, fleet } from '../../support/fleet.ts'

describe('snapshots', () => {
  let made: Fleet
  before(async () => {
    made = await fleet()
  })
  after(async () => {
    await made.strike()
  })
  for (const isolation of isolations) {
    test(`${isolation}: smoke`, async () => {
      const tenant = await made.tenant(isolation)
      await made.as(tenant, async (c) => {
        await c.query(`insert into folders (name) values ('a'), ('b')`)
        await c.query(`insert into notes (title) select 'n' || g from generate_series(1,1000) g`)
      })
      await openTenantSnapshot(made.connections, tenant, {}, async (snapshot) => {
        console.log(JSON.stringify(snapshot))
        for (const t of snapshot.tables) {
          let n = 0
          for await (const chunk of snapshot.copyOut(t)) n += chunk.length
          console.log(t.name, n, await snapshot.digest(t))
        }
      })
    })
  }
})
