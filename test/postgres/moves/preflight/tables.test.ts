// Checks of the tables of both places. Each is seen to find what is broken, and to be content when its own SQL has mended it.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { MoveSide } from '../../../../src/core/move.ts'
import type { Placement } from '../../../../src/core/placement.ts'
import type { PlacedTenant } from '../../../../src/core/placement-adapter.ts'
import type { ControlPool } from '../../../../src/postgres/control-pool.ts'
import type { MoveSituation } from '../../../../src/postgres/moves/survey.ts'
import { type Fleet, fleet } from '../../../support/fleet.ts'
import {
  asAdministratorIn,
  catalogReader,
  found,
  inPlace,
  mend,
  movableMigrations,
  needsMoves,
  schemaFor,
  seenIn,
  situationOf,
  type Wanted,
} from '../../../support/move-checks.ts'

let made: Fleet
let reader: ControlPool
let tenant: PlacedTenant
let target: Placement
let situation: MoveSituation

const at = (side: MoveSide, text: string): Promise<void> => inPlace(situation, side, text)
const asAdministrator = (side: MoveSide, text: string): Promise<void> => asAdministratorIn(situation, side, text)
const seen = (wanted: Wanted, breakIt: () => Promise<void>, mendIt?: () => Promise<void>): Promise<void> =>
  seenIn(situation, wanted, breakIt, mendIt)

describe('before a move, of the tables of both places', { skip: needsMoves }, () => {
  before(async () => {
    made = await fleet(movableMigrations)
    reader = catalogReader(made)
    tenant = await made.tenant('pooled')
    target = await schemaFor(made, tenant)
    situation = situationOf(made, tenant, target, { reader })
  })

  after(async () => {
    await reader?.close()
    await made?.strike()
  })

  describe('replica-identity:', () => {
    const rule = 'replica-identity'

    test('a table without any is found, at the source and at the target', async () => {
      for (const side of ['source', 'target'] as const)
        await seen({ rule, side, object: /notes$/ }, () => at(side, 'alter table notes replica identity nothing'))
    })

    test('an index that does not have the tenant is found, and one that has is not', async () => {
      await at('source', 'alter table notes add column serial uuid not null default partywall.uuidv7()')
      await at(
        'source',
        'create unique index notes_serial_idx on notes (serial); create unique index notes_both_idx on notes (tenant_id, serial)',
      )
      await seen({ rule, side: 'source', object: /notes$/ }, () =>
        at('source', 'alter table notes replica identity using index notes_serial_idx'),
      )
      await at('source', 'alter table notes replica identity using index notes_both_idx')
      assert.deepEqual(await found(situation, rule), [])
      await at('source', 'alter table notes replica identity default; alter table notes drop column serial')
    })

    test('a primary key without the tenant is mended by sending whole rows', async () => {
      await seen({ rule, side: 'source', object: /events_low$/ }, () => at('source', 'alter table events_low replica identity nothing'))
      await seen({ rule, side: 'source', object: /notes$/ }, () =>
        at('source', 'alter table notes drop constraint notes_pkey, add constraint notes_pkey primary key (id)'),
      )
      await at('source', 'alter table notes drop constraint notes_pkey, add constraint notes_pkey primary key (tenant_id, id)')
      await at('source', 'alter table notes replica identity default')
    })

    test('a partition has one of its own, and is looked at too', async () => {
      await seen({ rule, side: 'target', object: /events_low$/ }, () => at('target', 'alter table events_low replica identity nothing'))
    })
  })

  describe('unique-without-tenant:', () => {
    const rule = 'unique-without-tenant'

    test('a unique index that two tenants share is found', async () => {
      await seen({ rule, side: 'source', object: /notes_title_idx/ }, () =>
        at('source', 'create unique index notes_title_idx on notes (title)'),
      )
      await at('source', 'drop index notes_title_idx')
    })

    test('a unique constraint too, also where the tenant is only carried along', async () => {
      await seen({ rule, side: 'target', object: /notes_title_key/ }, () =>
        at('target', 'alter table notes add constraint notes_title_key unique (title) include (tenant_id)'),
      )
      await at('target', 'alter table notes drop constraint notes_title_key')
    })
  })

  describe('always-triggers:', () => {
    const rule = 'always-triggers'
    const trigger = `create function touch() returns trigger language plpgsql as 'begin return new; end';
    create trigger notes_touch before insert on notes for each row execute function touch()`

    test('a trigger that fires for replicated rows is found, one that fires for the application’s is not', async () => {
      await at('target', trigger)
      for (const how of ['always', 'replica'])
        await seen({ rule, side: 'target', object: /notes_touch/ }, () =>
          at('target', `alter table notes enable ${how} trigger notes_touch`),
        )
      await at('target', 'drop function touch() cascade')
    })
  })

  describe('unindexed-foreign-key:', () => {
    const rule = 'unindexed-foreign-key'

    test('a reference without an index is a warning for a small tenant', async () => {
      await seen({ rule, side: 'source', object: /notes_folder_fkey/, level: 'warn' }, () => at('source', 'drop index notes_folder_idx'))
    })

    test('and stands in the way of a large one', async () => {
      const rows = 12_000
      await made.as(tenant, (connection) =>
        connection.query(`insert into app.notes (tenant_id, title) select $1, 'note ' || n from generate_series(1, ${rows}) as n`, [
          tenant.id,
        ]),
      )
      await asAdministrator('source', 'analyze app.notes')
      await at('source', 'drop index if exists notes_tenant_id_folder_id_idx')
      const [finding] = await found(situation, rule)
      assert.equal(finding?.level, 'refuse')
      assert.match(finding!.problem, /about 1[12]\d{3} are read/)
      await mend(situation, [finding!])
      assert.deepEqual(await found(situation, rule), [])
    })
  })

  describe('unlogged-tables:', () => {
    test('a table that is in no log is found', async () => {
      await seen({ rule: 'unlogged-tables', side: 'source', object: /notes/ }, () => at('source', 'alter table notes set unlogged'))
    })
  })

  describe('sequences:', () => {
    const rule = 'sequences'

    test('a column that counts is found, by identity or by default', async () => {
      await seen({ rule, side: 'source', object: /notes.number/ }, () =>
        at('source', 'alter table notes add column number bigint generated by default as identity'),
      )
      await at('source', 'alter table notes drop column number')
      await seen({ rule, side: 'target', object: /notes.number/ }, () => at('target', 'alter table notes add column number bigserial'))
      await at('target', 'alter table notes drop column number')
    })

    test('a sequence that belongs to nothing is a warning', async () => {
      await seen(
        { rule, side: 'source', object: /invoice_numbers/, level: 'warn' },
        () => at('source', 'create sequence invoice_numbers'),
        () => at('source', 'drop sequence invoice_numbers'),
      )
    })
  })

  describe('generated-columns:', () => {
    test('one that rows are known by is found, any other is not', async () => {
      await seen({ rule: 'generated-columns', side: 'source', object: /folders.mark/ }, () =>
        at(
          'source',
          `alter table folders add column mark text generated always as ('m' || pg_catalog.length(name)) stored not null;
         create unique index folders_mark_idx on folders (tenant_id, id, mark); alter table folders replica identity using index folders_mark_idx`,
        ),
      )
      await at('source', 'alter table folders replica identity default; alter table folders drop column mark')
    })
  })

  describe('row-filter-types:', () => {
    test('a tenant column of another type is found', async () => {
      const breakIt = `create table ledger (tenant_id varchar(40) not null, id uuid not null, primary key (tenant_id, id));
      insert into partywall.protected_tables (table_name, tenant_column) values ('app.ledger', 'tenant_id')`
      await seen({ rule: 'row-filter-types', side: 'source', object: /ledger.tenant_id/ }, () => at('source', breakIt))
      await at('source', `drop table ledger; delete from partywall.protected_tables where table_name = 'app.ledger'`)
    })
  })

  describe('row-guards:', () => {
    const rule = 'row-guards'

    test('a shared table whose guard is switched off, or gone, is found', async () => {
      await seen({ rule, side: 'source', object: /notes/ }, () => at('source', 'alter table notes disable trigger partywall_guard_insert'))
      await seen({ rule, side: 'source', object: /notes/ }, () => at('source', 'drop trigger partywall_guard_delete on notes'))
    })

    test('a table of the tenant’s own that does not check whose rows it takes is found', async () => {
      await seen({ rule, side: 'target', object: /notes/ }, () => at('target', 'alter table notes drop constraint partywall_tenant_check'))
    })
  })

  describe('unprotected-tables:', () => {
    const rule = 'unprotected-tables'

    test('a table with a tenant that is not protected is found', async () => {
      const table = 'create table drafts (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id))'
      await seen({ rule, side: 'source', object: /drafts/ }, () => at('source', table))
      await at('source', `delete from partywall.protected_tables where table_name = 'app.drafts'; drop table drafts`)
    })

    test('a protected table in another schema is found', async () => {
      const elsewhere = `create schema billing; create table billing.invoices (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id));
      select partywall.protect('billing.invoices')`
      await seen({ rule, side: 'source', object: /billing.invoices/ }, () => at('source', elsewhere))
      await at(
        'source',
        `delete from partywall.protected_tables where table_name = 'app.invoices'; drop table invoices; drop schema billing`,
      )
    })

    test('one without is a warning', async () => {
      await seen(
        { rule, side: 'target', object: /odd/, level: 'warn' },
        () => at('target', 'create table odd (id integer)'),
        () => at('target', 'drop table odd'),
      )
    })
  })

  describe('foreign-tables:', () => {
    const rule = 'foreign-tables'

    test('a foreign table is a warning, and stands in the way as a partition of a protected one', async () => {
      await asAdministrator(
        'source',
        `create extension file_fdw; create server test_files foreign data wrapper file_fdw;
       grant usage on foreign server test_files to partywall_owner;
       create foreign table app.imports (a text) server test_files options (filename '/dev/null'); alter foreign table app.imports owner to partywall_owner`,
      )
      const [warning] = await found(situation, rule)
      assert.equal(warning?.level, 'warn')
      await asAdministrator('source', 'drop foreign table app.imports')
      await asAdministrator(
        'source',
        `create table app.archive (tenant_id uuid not null, id bigint not null) partition by range (id); alter table app.archive owner to partywall_owner;
       create foreign table app.archive_old partition of app.archive for values from (0) to (10) server test_files options (filename '/dev/null');
       alter foreign table app.archive_old owner to partywall_owner;
       insert into partywall.protected_tables (table_name, tenant_column) values ('app.archive', 'tenant_id')`,
      )
      const findings = await found(situation, rule)
      assert.deepEqual(
        findings.map(({ level, object }) => [level, object]),
        [['refuse', 'app.archive_old']],
      )
      await mend(situation, findings)
      assert.equal((await found(situation, rule))[0]?.level, 'warn')
      await asAdministrator(
        'source',
        `delete from partywall.protected_tables where table_name = 'app.archive'; drop table app.archive; drop extension file_fdw cascade`,
      )
      assert.deepEqual(await found(situation, rule), [])
    })
  })

  describe('materialized-views:', () => {
    test('one is a warning', async () => {
      await seen(
        { rule: 'materialized-views', side: 'source', object: /counts/, level: 'warn' },
        () => at('source', 'create materialized view counts as select 1 as one'),
        () => at('source', 'drop materialized view counts'),
      )
    })
  })

  describe('functions-without-path:', () => {
    test('a check that calls a function which finds its tables by the search_path is found', async () => {
      const breakIt = `create function is_fine(title text) returns boolean language plpgsql immutable as 'begin return title <> ''''; end';
      alter table notes add constraint notes_fine_check check (app.is_fine(title))`
      await seen({ rule: 'functions-without-path', side: 'source', object: /is_fine/, level: 'warn' }, () => at('source', breakIt))
      await at('source', 'alter table notes drop constraint notes_fine_check; drop function is_fine(text)')
    })
  })

  describe('large-rows:', () => {
    test('a row that is too large is named, a smaller one and another tenant’s are not', async () => {
      const other = await made.tenant('pooled')
      const small = situationOf(made, tenant, target, { reader, rowBytesMax: 200_000 })
      const text = `insert into app.folders (tenant_id, name) select $1, string_agg(md5(n::text), '') from generate_series(1, $2) as n returning id`
      await made.as(other, (connection) => connection.query(text, [other.id, 10_000]))
      await made.as(tenant, (connection) => connection.query(text, [tenant.id, 100]))
      assert.deepEqual(await found(small, 'large-rows'), [])
      const [row] = await made.as(tenant, (connection) => connection.query<{ id: string }>(text, [tenant.id, 10_000]))
      const findings = await found(small, 'large-rows')
      assert.equal(findings.length, 1)
      assert.ok(findings[0]!.object.includes(row!.id))
      await made.as(tenant, (connection) => connection.query('delete from app.folders where id = $1', [row!.id]))
      assert.deepEqual(await found(small, 'large-rows'), [])
    })
  })
})
