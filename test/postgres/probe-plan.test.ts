// The probe of a capability is part of every statement's plan, and a prepared statement keeps its plan. It must be made as if
// there were many capabilities, also by the first process that asks on a fresh or freshly vacuumed database.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stage } from '../support/cast.ts'
import { Eve } from '../support/eve.ts'

test('a statement prepared when there are few capabilities probes them by index', async (t) => {
  const here = await stage(t)
  await here.tenancy.close()
  await here.aliceIn(here.bob, 'vacuum analyze partywall.capabilities')
  const { client: app } = await Eve.enter(here, t)
  await app.query('set plan_cache_mode = force_generic_plan')
  for (const [name, text] of [
    ['read', 'select title from notes where id = $1'],
    ['write', `update notes set title = 'x' where id = $1`],
  ]) {
    await app.query(`prepare ${name}_probe (uuid) as ${text}`)
    const { rows } = await app.query<{ 'QUERY PLAN': string }>(`explain execute ${name}_probe ('00000000-0000-0000-0000-000000000000')`)
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
    assert.match(plan, /Index Scan using capabilities_pkey/)
    assert.doesNotMatch(plan, /Seq Scan on capabilities/)
  }
})
