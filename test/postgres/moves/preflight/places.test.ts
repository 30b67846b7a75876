// Checks of the two places beside each other, and of what the catalog says. Each is seen to find what is broken, and to be content
// when it is mended.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type { MoveSide } from '../../../../src/core/move.ts'
import { mainPlacement, type Placement } from '../../../../src/core/placement.ts'
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
  movableTables,
  needsMoves,
  schemaFor,
  seenIn,
  situationOf,
  type Wanted,
} from '../../../support/move-checks.ts'
import { plainMigrations } from '../../../support/plain-migrations.ts'

let made: Fleet
let reader: ControlPool
let tenant: PlacedTenant
let target: Placement
let situation: MoveSituation

const at = (side: MoveSide, text: string): Promise<void> => inPlace(situation, side, text)
const seen = (wanted: Wanted, breakIt: () => Promise<unknown>, mendIt?: () => Promise<unknown>): Promise<void> =>
  seenIn(situation, wanted, breakIt, mendIt)
const inCatalog = (text: string, values: readonly unknown[] = []): Promise<unknown> =>
  made.connections.asMigrator('main', (control) => control.query(text, values))

describe('before a move, of the two places beside each other', { skip: needsMoves }, () => {
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

  describe('table-shape:', () => {
    const rule = 'table-shape'
    const differences: readonly [string, MoveSide, string, RegExp][] = [
      ['a column that the target lacks', 'target', 'alter table notes drop column title', /notes.title/],
      ['a column that the source lacks', 'target', 'alter table notes add column more text', /notes.more/],
      ['another type', 'target', 'alter table folders alter column mood type text', /folders.mood/],
      ['another collation', 'target', 'alter table notes alter column title type text collate "C"', /notes.title/],
      ['a column that may not be null', 'target', 'alter table folders alter column mood set not null', /folders.mood/],
      ['a column that may be null', 'target', 'alter table folders alter column name drop not null', /folders.name/],
      ['a column that is no longer generated', 'target', 'alter table folders alter column length drop expression', /folders.length/],
      [
        'a check that the source lacks',
        'target',
        'alter table notes add constraint notes_odd_check check (title <> $$x$$)',
        /notes_odd_check/,
      ],
      [
        'a unique key that the source lacks',
        'target',
        'alter table notes add constraint notes_odd_key unique (tenant_id, title)',
        /notes_odd_key/,
      ],
    ]
    for (const [name, side, breakIt, object] of differences) {
      test(`${name} is found`, async () => {
        if (name.endsWith('no longer generated')) {
          await seen(
            { rule, side: 'target', object },
            () => at(side, breakIt),
            () =>
              at(
                side,
                'alter table folders drop column length; alter table folders add column length integer generated always as (pg_catalog.length(name)) stored',
              ),
          )
        } else await seen({ rule, side: 'target', object }, () => at(side, breakIt))
      })
    }

    test('a column that the target generates and the source does not is found', async () => {
      await at('source', 'alter table folders alter column length drop expression')
      const findings = await found(situation, rule)
      assert.deepEqual(
        findings.map(({ object }) => object.split('.').slice(1).join('.')),
        ['folders.length'],
      )
      await mend(situation, findings)
      assert.deepEqual(await found(situation, rule), [])
    })

    test('a table that the target lacks stands in the way, and one that the source lacks is a warning', async () => {
      const make = `create table drafts (tenant_id uuid not null, id uuid not null, constraint drafts_pkey primary key (tenant_id, id)); select partywall.protect('drafts')`
      await seen(
        { rule, side: 'target', object: /app.drafts/ },
        () => at('source', make),
        () => at('target', make),
      )
      await at('source', `delete from partywall.protected_tables where table_name = 'app.drafts'; drop table drafts`)
      const findings = await found(situation, rule)
      assert.deepEqual(
        findings.map(({ level }) => level),
        ['warn'],
      )
      await at('target', `delete from partywall.protected_tables where table_name like '%.drafts'; drop table drafts`)
      assert.deepEqual(await found(situation, rule), [])
    })
  })

  describe('types:', () => {
    test('a value that the target does not know is found', async () => {
      await seen({ rule: 'types', side: 'target', object: /mood/ }, () => at('source', `alter type mood add value 'so-so'`))
    })
  })

  describe('extensions:', () => {
    const rule = 'extensions'

    test('one that the target’s database lacks is a warning', async () => {
      await seen({ rule, side: 'target', object: /citext/, level: 'warn' }, () =>
        asAdministratorIn(situation, 'source', 'create extension citext'),
      )
    })

    test('of a place that is not made yet its server is asked', async () => {
      const unmade = situationOf(made, tenant, { isolation: 'database', server: 'main', database: 'pw_none', schema: 'app' }, { reader })
      assert.deepEqual(await found(unmade, rule), [])
      await asAdministratorIn(
        situation,
        'source',
        `insert into pg_catalog.pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion) select 4294960000, 'of_yore', e.extowner, e.extnamespace, true, '1' from pg_catalog.pg_extension as e where e.extname = 'citext'`,
      )
      assert.deepEqual(
        (await found(unmade, rule)).map(({ level, object }) => [level, object]),
        [['refuse', 'extension of_yore']],
      )
      await asAdministratorIn(situation, 'source', `delete from pg_catalog.pg_extension as e where e.extname = 'of_yore'`)
      assert.deepEqual(await found(unmade, rule), [])
    })
  })

  describe('partitioned-tables:', () => {
    test('a partition that the target lacks is found', async () => {
      await seen({ rule: 'partitioned-tables', side: 'target', object: /events FOR VALUES FROM/ }, () =>
        at('source', `create table events_high partition of events for values from (100) to (200); select partywall.protect('events')`),
      )
    })

    test('unless it has one for everything else', async () => {
      await at('target', `create table events_rest partition of events default; select partywall.protect('events')`)
      await at(
        'source',
        `create table events_higher partition of events for values from (200) to (300); select partywall.protect('events')`,
      )
      assert.deepEqual(await found(situation, 'partitioned-tables'), [])
    })
  })

  describe('global-tables:', () => {
    const rule = 'global-tables'

    test('rows that the target lacks are named, and those that are different too', async () => {
      await seen({ rule, side: 'target', object: /countries/ }, () =>
        at('source', `insert into countries (code, name) values ('it', 'It''s')`),
      )
      await seen(
        { rule, side: 'target', object: /countries/, level: 'warn' },
        () => at('target', `update countries set name = 'Frankreich' where code = 'fr'`),
        () => at('target', `update countries set name = 'France' where code = 'fr'`),
      )
    })

    test('a table that the target lacks is found', async () => {
      await seen(
        { rule, side: 'target', object: /countries/ },
        () => at('target', 'alter table countries rename to lands'),
        () => at('target', 'alter table lands rename to countries'),
      )
    })
  })

  describe('target-rows:', () => {
    test('rows of the tenant at the target are found, and another tenant’s are not', async () => {
      const other = await made.tenant('schema')
      const back = situationOf(made, other, mainPlacement, { reader })
      const left = () =>
        made.alice(
          mainPlacement,
          'select g.tenant_id, (select count(*) from partywall.capabilities) as count from partywall.gates as g order by 1',
        )
      const before = await left()
      const insert = (who: string): string => `insert into app.folders (tenant_id, name) values ('${who}', 'left')`
      await made.alice(mainPlacement, insert(tenant.id))
      await seenIn(
        back,
        { rule: 'target-rows', side: 'target', object: /app.folders/ },
        () => made.alice(mainPlacement, insert(other.id)),
        () => made.alice(mainPlacement, 'delete from app.folders as f where f.tenant_id = $1', [other.id]),
      )
      assert.deepEqual(await left(), before)
    })
  })

  describe('gates:', () => {
    const rule = 'gates'

    test('a target that is open already is found', async () => {
      await seen({ rule, side: 'target', object: /gate/ }, () => at('target', `select partywall.set_gate('${tenant.id}', 'open')`))
    })

    test('a source without a gate is found', async () => {
      await seen({ rule, side: 'source', object: /gate/ }, async () => {
        await at('source', `delete from partywall.capabilities as c where c.tenant_id = '${tenant.id}'`)
        await at('source', `delete from partywall.gates as g where g.tenant_id = '${tenant.id}'`)
      })
    })

    test('a database that knows the tenant by another key is found', async () => {
      await seen(
        { rule, side: 'source', object: /gate/ },
        () => at('source', `update partywall.gates as g set key_bigint = 99 where g.tenant_id = '${tenant.id}'`),
        () => at('source', `update partywall.gates as g set key_bigint = null where g.tenant_id = '${tenant.id}'`),
      )
    })
  })

  describe('same-place:', () => {
    test('a move to where the tenant is, or from where it is no more, is refused', async () => {
      assert.equal((await found({ ...situation, target: tenant.placement }, 'same-place'))[0]?.level, 'refuse')
      assert.equal((await found({ ...situation, source: { ...target, schema: 'elsewhere' } }, 'same-place'))[0]?.level, 'refuse')
      assert.deepEqual(await found(situation, 'same-place'), [])
    })
  })

  describe('region:', () => {
    test('a server of another region than the tenant’s is refused', async () => {
      const elsewhere = { ...situation, tenant: { ...tenant, region: 'eu' } }
      const findings = await found(elsewhere, 'region')
      assert.deepEqual(
        findings.map(({ level, object, fix }) => [level, object, fix]),
        [['refuse', 'main', null]],
      )
      assert.deepEqual(await found(situation, 'region'), [])
    })
  })

  describe('residency:', () => {
    test('a replica in another region is a warning', async () => {
      await inCatalog(
        `insert into partywall.replicas (server_name, name, region, host, port) values ('main', 'near', 'default', 'near', 1)`,
      )
      await seen(
        { rule: 'residency', side: 'target', object: /far/, level: 'warn' },
        () => inCatalog(`insert into partywall.replicas (server_name, name, region, host, port) values ('main', 'far', 'us', 'far', 1)`),
        () => inCatalog(`delete from partywall.replicas`),
      )
    })
  })

  describe('migration-version:', () => {
    const rule = 'migration-version'

    test('places of two versions are found, and the one that is behind is named', async () => {
      const newer = plainMigrations([...movableTables, 'create table later (id integer primary key)'])
      await seen(
        { rule, side: 'target', object: new RegExp(target.schema) },
        () => made.connections.asMigrator('main', (control) => newer.applyAll(control, 'app')),
        () => made.connections.asMigrator(target.database, (control) => newer.applyAll(control, target.schema)),
      )
    })

    test('of a place that is not made yet the newest version is meant', async () => {
      const unmade = situationOf(made, tenant, { isolation: 'database', server: 'main', database: 'pw_none', schema: 'app' }, { reader })
      assert.match((await found(unmade, rule))[0]!.problem, /at 0002, and the target will be made at 0001/)
    })
  })

  describe('open-operation:', () => {
    const rule = 'open-operation'

    test('an operation that is not over is found', async () => {
      const id = randomUUID()
      await seen(
        { rule, side: null, object: /operation/ },
        () =>
          inCatalog(
            `insert into partywall.operations (id, tenant_id, kind, state, input, owner, owned_until, actor_kind, actor_id, reason) values ($1, $2, 'rename', 'running', '{}', 'test', clock_timestamp(), 'system', 'test', 'test')`,
            [id, tenant.id],
          ),
        () => inCatalog('delete from partywall.operations as o where o.id = $1', [id]),
      )
    })

    test('another move of the tenant is found', async () => {
      const id = randomUUID()
      await seen(
        { rule, side: null, object: /move/ },
        () =>
          inCatalog(
            `insert into partywall.moves (id, tenant_id, source, target, actor_kind, actor_id, reason, fence) values ($1, $2, $3, $4, 'system', 'test', 'test', 1)`,
            [id, tenant.id, tenant.placement, target],
          ),
        () => inCatalog('delete from partywall.moves as m where m.id = $1', [id]),
      )
    })

    test('a tenant that is being made or closed is not moved', async () => {
      await seen(
        { rule, side: null, object: /tenant/ },
        () => made.tenants.setStatus(tenant.id, 'offboarding'),
        () => made.tenants.setStatus(tenant.id, 'active'),
      )
    })

    test('a migration that has still to come to one of the places is a warning, and one that is there now refuses', async () => {
      const run = randomUUID()
      await seen(
        { rule, side: null, object: /app/, level: 'warn' },
        async () => {
          await inCatalog(
            `insert into partywall.migration_runs (id, version, files, rings, budget, actor_kind, actor_id) values ($1, '0002', '[]', '[]', '{}', 'system', 'test')`,
            [run],
          )
          await inCatalog(
            `insert into partywall.migration_targets (run_id, position, ring, kind, database_name, schema_name) values ($1, 1, 0, 'database', 'main', 'app')`,
            [run],
          )
        },
        async () => {
          await inCatalog(
            `update partywall.migration_targets set state = 'running', claimed_by = 'test', claimed_until = clock_timestamp() + interval '1 minute'`,
          )
          assert.equal((await found(situation, rule))[0]?.level, 'refuse')
          await inCatalog('delete from partywall.migration_runs')
        },
      )
    })
  })

  describe('disk-space:', () => {
    const rule = 'disk-space'

    test('a target that has no room is refused, one that has little is a warning', async () => {
      const having = (bytes: number | undefined): MoveSituation => ({ ...situation, diskSpace: async () => bytes })
      const [refused] = await found(having(1_000), rule)
      assert.equal(refused?.level, 'refuse')
      const size = Number(/about ([\d,]+) MB at the source/.exec(refused!.problem)?.[1])
      assert.ok(size >= 1)
      assert.deepEqual(await found(having(2 ** 40), rule), [])
    })

    test('where the machine cannot tell, the catalog’s label counts, less what is there', async () => {
      const untold: MoveSituation = { ...situation, diskSpace: async () => undefined }
      assert.deepEqual(await found(untold, rule), [])
      await inCatalog(`update partywall.servers set labels = '{"disk_bytes": "1000000"}' where name = 'main'`)
      assert.equal((await found(untold, rule))[0]?.level, 'refuse')
      await inCatalog(`update partywall.servers set labels = '{"disk_bytes": "1000000000000"}' where name = 'main'`)
      assert.deepEqual(await found(untold, rule), [])
      await inCatalog(`update partywall.servers set labels = '{}' where name = 'main'`)
    })

    test('of a server on this machine the disk itself is asked', async () => {
      const asked: unknown[] = []
      await found({ ...situation, diskSpace: async (question) => void asked.push(question) as undefined }, rule)
      assert.partialDeepStrictEqual(asked, [{ server: 'main', isLocal: true }])
      assert.deepEqual(await found(situation, rule), [])
    })
  })
})
