// What eve tries when she knows where carol's tables are. In every placement there is another name to say; all of them are known
// to everybody, since they are made from ids.

import { databaseNameOf, schemaNameOf } from '../../src/core/placement.ts'
import type { TenantId } from '../../src/core/tenant.ts'
import type { Attack } from './attacks.ts'
import { isolation } from './isolation.ts'

/** @param carol carol's tenant id. */
export function attacksByName(carol: string): readonly Attack[] {
  const id = carol as TenantId
  switch (isolation) {
    case 'pooled':
      return onTables('app', carol, undefined)
    case 'schema':
      // Her own rows do not fit into carol's tables: they take carol's alone.
      return [...onTables(schemaNameOf(id), carol, '23514'), ...onSchema(schemaNameOf(id))]
    case 'database':
    case 'server':
      return onDatabase(databaseNameOf(id))
  }
}

/** @param ownRow SQLSTATE for a row of bob's own, put there by name. In shared tables it is simply his. */
function onTables(schema: string, carol: string, ownRow: string | undefined): readonly Attack[] {
  const there = `${schema}.notes`
  const attack = (name: string, statements: readonly string[], code?: string): Attack => ({
    name: `by name: ${name}`,
    statements,
    ...(code && { code }),
  })
  return [
    attack('all rows of the table', [`select * from ${there}`, `table ${schema}.folders`]),
    attack('a join of one’s own with the table', [`select a.title, b.title from notes as a full join ${there} as b on a.id <> b.id`]),
    attack('a copy into one’s own', [
      `insert into notes (title, body) select title || '!', body from ${there} where tenant_id = '${carol}'`,
    ]),
    attack('a blind update and a blind delete', [
      `update ${there} set body = 'bob was here' where tenant_id = '${carol}'`,
      `delete from ${there} where tenant_id = '${carol}'`,
    ]),
    attack('row locks', [`select * from ${there} where tenant_id = '${carol}' for update`]),
    attack('a row for carol', [`insert into ${there} (tenant_id, title) values ('${carol}', 'from bob')`], '42501'),
    attack(
      'a row of one’s own',
      [`insert into ${there} (title) values ('from bob')`, `delete from ${there} where title = 'from bob'`],
      ownRow,
    ),
    attack(
      'rows of one’s own, copied',
      [`insert into ${there} (title) select title || '?' from notes`, `delete from ${there} where title like '%?'`],
      ownRow,
    ),
    attack('truncate', [`truncate ${there}`], '42501'),
    attack('no policies', [`alter table ${there} disable row level security`], '42501'),
    attack('a policy of her own', [`create policy open on ${there} using (true)`], '42501'),
  ]
}

function onSchema(schema: string): readonly Attack[] {
  const attack = (name: string, statements: readonly string[], code?: string): Attack => ({
    name: `by name: ${name}`,
    statements,
    ...(code && { code }),
  })
  return [
    attack('the search path', [
      `set local search_path = ${schema}`,
      'select * from notes',
      `update notes set body = 'bob was here'`,
      'delete from notes',
    ]),
    attack('the search path as a function', [`select set_config('search_path', '${schema}', true)`, 'select * from notes']),
    attack('no check of whose rows they are', [`alter table ${schema}.notes drop constraint partywall_tenant_check`], '42501'),
    attack('a table beside carol’s', [`create table ${schema}.mine (a text)`], '42501'),
    attack('another name for the schema', [`alter schema ${schema} rename to mine`], '42501'),
    attack('an end of the schema', [`drop schema ${schema} cascade`], '42501'),
    attack('a grant', [`grant all on all tables in schema ${schema} to public`]),
    attack(
      'carol’s schema for one’s own',
      [`select partywall.set_gate_schema('00000000-0000-7000-8000-000000000000', '${schema}')`],
      '42501',
    ),
  ]
}

function onDatabase(database: string): readonly Attack[] {
  const denied = (name: string, statement: string, code: string): Attack => ({ name: `by name: ${name}`, statements: [statement], code })
  return [
    denied('a table in carol’s database', `select * from ${database}.app.notes`, '0A000'),
    denied('carol’s login', `set role ${database}`, '42501'),
    denied('carol’s login for the session', `set session authorization ${database}`, '42501'),
    denied('another password for carol’s login', `alter role ${database} password 'eve'`, '42501'),
    denied('another name for carol’s database', `alter database ${database} rename to mine`, '42501'),
    denied(
      'one’s own login for carol’s',
      `select partywall.issue(array['00000000-0000-7000-8000-000000000000']::uuid[], interval '1 minute', 'eve')`,
      '42501',
    ),
    denied('a foreign server', 'create foreign data wrapper away', '42501'),
  ]
}
