// A short soak, and that it can fail.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { soak } from '../../bench/load/soak.ts'
import { documentsStage } from '../support/documents.ts'

const short = { seconds: 3, clients: 8, tenants: 4, requestsMax: 20_000 }

test('under load, while tenants are suspended and resumed, every answer is its own tenant’s', async (t) => {
  const { url, database } = await documentsStage(t)
  const result = await soak({ url, catalog: database.urls.gatekeeper, admin: database.urls.migrator }, short)
  assert.deepEqual(result.violations, [])
  assert.ok(result.requests > 100, `${result.requests} requests`)
  assert.ok(result.suspensions > 0 && result.refusedWhileSuspended > 0, 'suspended tenants were tried')
  assert.ok((result.answers.get('GET 200') ?? 0) > 0 && (result.answers.get('POST 201') ?? 0) > 0)
})

test('the soak sees a wall that is down', async (t) => {
  const { url, database } = await documentsStage(t)
  await database.superuser.query('alter table app.documents disable row level security')
  const result = await soak({ url, catalog: database.urls.gatekeeper, admin: database.urls.migrator }, short)
  assert.ok(result.violations.some((violation) => violation.includes('the mark of another tenant')))
})

test('the soak sees a suspension that does not hold', async (t) => {
  const { url, database } = await documentsStage(t)
  await database.superuser.query(`
    create function public.ignore_status() returns trigger language plpgsql as 'begin new.status := old.status; return new; end';
    create trigger a_ignore_status before update on partywall.tenants for each row execute function public.ignore_status();
  `)
  const result = await soak({ url, catalog: database.urls.gatekeeper, admin: database.urls.migrator }, short)
  assert.ok(result.violations.some((violation) => violation.includes('an answer for a suspended tenant')))
})
