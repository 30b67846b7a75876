// What a process that is killed leaves behind: in batches all but the last moments, strictly all that it gave out.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { entriesOf } from '../../src/core/audit-batch.ts'
import { createTenancy } from '../../src/tenancy.ts'
import type { AuditedProcess } from '../support/audited-process.ts'
import { testDatabase } from '../support/database.ts'

const script = fileURLToPath(new URL('../support/audited-process.ts', import.meta.url))
const flushEveryMs = 200
/** Of a write that is under way when the process dies, on a machine that does much else. */
const writeMs = 1_500

interface Given {
  readonly request: string
  readonly at: number
}

/** Reads until `enough`, dies, and what it gave out is told with when it died. */
async function killed(
  task: AuditedProcess,
  enough: (given: readonly Given[]) => boolean,
): Promise<{ readonly given: readonly Given[]; readonly at: number }> {
  const child = spawn(process.execPath, [script, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const given: Given[] = []
  let at = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const [number, time] = line.split(' ')
    given.push({ request: `r${number}`, at: Number(time) })
    if (at === 0 && enough(given)) {
      child.kill('SIGKILL')
      at = Date.now()
    }
  }
  return { given, at }
}

for (const strict of [[], 'all'] as const) {
  test(`kill -9, ${strict === 'all' ? 'strict: every read that was given out is in the log' : 'in batches: all but the last moments are in the log'}`, async (t) => {
    const { urls, superuser } = await testDatabase(t)
    await superuser.query(`
      set role partywall_owner;
      set search_path = app;
      create table notes (tenant_id uuid not null, id uuid not null default gen_random_uuid(), title text not null, primary key (tenant_id, id));
      select partywall.protect('notes');
      select partywall.create_audit_log();
      reset role;
      reset search_path`)
    const tenancy = await createTenancy({ catalog: urls.gatekeeper, database: urls.app, admin: urls.migrator })
    const { id: tenantId } = await tenancy.tenants.create({ slug: 'acme', name: 'Acme' })
    await tenancy.close()
    const long = (given: readonly Given[]): boolean =>
      given.at(-1)!.at - given[0]!.at > (strict === 'all' ? 500 : flushEveryMs + writeMs + 1_000)
    const { given, at } = await killed({ catalog: urls.gatekeeper, database: urls.app, tenantId, strict, flushEveryMs }, long)
    const rows = await superuser.query<{ payload: string }>('select a.payload::text as payload from app.audit_log as a order by a.position')
    const recorded = new Set(rows.flatMap(({ payload }) => entriesOf(1n, payload).map(({ requestId }) => requestId)))
    const missing = given.filter(({ request }) => !recorded.has(request))
    if (strict === 'all') assert.deepEqual(missing, [])
    else {
      assert.ok(given.length > 100, `${given.length} reads`)
      for (const { at: givenAt } of missing) assert.ok(at - givenAt <= flushEveryMs + writeMs, `${at - givenAt} ms before the end`)
      assert.ok(recorded.size > 0)
    }
  })
}
