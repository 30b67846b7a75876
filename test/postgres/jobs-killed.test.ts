// A worker that is killed between the effect of a job and its end.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { tenantJob } from '../../src/resources/jobs/tenant-job.ts'
import { createTenancy } from '../../src/tenancy.ts'
import { testDatabase } from '../support/database.ts'
import type { JobsProcess } from '../support/jobs-process.ts'
import { anything } from '../support/schemas.ts'

const script = fileURLToPath(new URL('../support/jobs-process.ts', import.meta.url))

async function killedAfterItsEffect(task: JobsProcess): Promise<void> {
  const child = spawn(process.execPath, [script, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of createInterface({ input: child.stdout })) if (line === 'done') child.kill('SIGKILL')
}

for (const completes of [true, false]) {
  const promise = completes
    ? 'a job that ends in the transaction of its effect has it once'
    : 'a job that does not has it at least once: another worker runs it again'
  test(`kill -9 between the effect and its acknowledgement: ${promise}`, async (t) => {
    const { urls, superuser } = await testDatabase(t)
    await superuser.query(`
      set role partywall_owner;
      set search_path = app;
      create table notes (tenant_id uuid not null, id uuid not null default gen_random_uuid(), title text not null, primary key (tenant_id, id));
      select partywall.protect('notes');
      select partywall.create_jobs();
      reset role;
      reset search_path`)
    const tenancy = await createTenancy({ catalog: urls.gatekeeper, database: urls.app, admin: urls.migrator })
    t.after(() => tenancy.close())
    await tenancy.tenants.create({ slug: 'acme', name: 'Acme' })
    const attempts: number[] = []
    const job = tenantJob('effect', anything(), async (_input, { context, attempt }) => {
      await tenancy.query('insert into notes (tenant_id, title) values ($1, $2)', [context.tenant.id, `attempt ${attempt}`])
      attempts.push(attempt)
    })
    await tenancy.run('acme', () => tenancy.jobs().enqueue(job, {}))
    await killedAfterItsEffect({ catalog: urls.gatekeeper, database: urls.app, completes })
    tenancy.startWorker({ jobs: [job], pollMs: 20, sweepMs: 1_000 })
    const left = async () => (await superuser.query('select 1 from app.queued_jobs')).length
    const deadline = performance.now() + 20_000
    while ((await left()) > 0) {
      assert.ok(performance.now() < deadline, 'the job of the dead worker is taken up')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    assert.deepEqual(attempts, completes ? [] : [2])
    const notes = await superuser.query<{ title: string }>('select n.title from app.notes as n order by n.title')
    assert.deepEqual(
      notes.map(({ title }) => title),
      completes ? ['attempt 1'] : ['attempt 1', 'attempt 2'],
    )
  })
}
