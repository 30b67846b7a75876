// A consumer that is killed between the effect of an event and its acknowledgement.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { fixedSealKeys } from '../../src/core/seal-keys.ts'
import { eventSubscriber, on } from '../../src/resources/events/event-subscriber.ts'
import { tenantEvent } from '../../src/resources/events/tenant-event.ts'
import { createTenancy } from '../../src/tenancy.ts'
import { testDatabase } from '../support/database.ts'
import type { EventsProcess } from '../support/events-process.ts'
import { anything } from '../support/schemas.ts'

const script = fileURLToPath(new URL('../support/events-process.ts', import.meta.url))

async function killedAtItsEffect(task: EventsProcess): Promise<void> {
  const child = spawn(process.execPath, [script, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of createInterface({ input: child.stdout })) if (line === 'done') child.kill('SIGKILL')
}

for (const stops of ['before the commit', 'after the commit'] as const) {
  test(`kill -9 ${stops}: the effect of each event is there once`, async (t) => {
    const { urls, superuser } = await testDatabase(t)
    await superuser.query(`
      set role partywall_owner;
      set search_path = app;
      create table notes (tenant_id uuid not null, id uuid not null default gen_random_uuid(), title text not null, primary key (tenant_id, id));
      select partywall.protect('notes');
      select partywall.create_events();
      reset role;
      reset search_path`)
    const events = { source: 'test', keys: fixedSealKeys([{ id: 'k-1', secret: Buffer.alloc(32, 1) }]) }
    const tenancy = await createTenancy({ catalog: urls.gatekeeper, database: urls.app, admin: urls.migrator, events })
    t.after(() => tenancy.close())
    await tenancy.tenants.create({ slug: 'acme', name: 'Acme' })
    const created = tenantEvent('document.created', anything<string>())
    await tenancy.run('acme', () => tenancy.events().publishAll(created, ['first', 'second']))
    await killedAtItsEffect({ catalog: urls.gatekeeper, database: urls.app, stops })
    // As if the minute for which the dead one had the subscriber in hand were over.
    await superuser.query(`update app.event_subscribers set held_until = now()`)
    await superuser.query(`update partywall.work_marks set held_until = now()`)
    const subscriber = eventSubscriber('effect', [
      on(created, async ({ data }, { tx, context }) => {
        await tx.query('insert into notes (tenant_id, title) values ($1, $2)', [context.tenant.id, `${data} again`])
      }),
    ])
    tenancy.startConsumer({ subscribers: [subscriber], pollMs: 20, sweepMs: 1_000 })
    const left = async () => (await superuser.query('select 1 from app.outbox_events')).length
    const deadline = performance.now() + 30_000
    while ((await left()) > 0) {
      assert.ok(performance.now() < deadline, 'the events of the dead consumer are taken up')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const notes = await superuser.query<{ title: string }>('select n.title from app.notes as n order by n.title')
    const told = notes.map(({ title }) => title.replace(/ \d+ 1$/, ' by the dead one'))
    assert.deepEqual(told, stops === 'after the commit' ? ['first by the dead one', 'second again'] : ['first again', 'second again'])
  })
}
