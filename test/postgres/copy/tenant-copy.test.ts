// One tenant's rows out of each placement and into each other, on real databases and servers.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { memorySecrets } from '../../../src/core/memory-secret-store.ts'
import { isolations } from '../../../src/core/placement.ts'
import type { PlacedTenant } from '../../../src/core/placement-adapter.ts'
import { tenantKey } from '../../../src/core/tenant-key.ts'
import {
  AbortedError,
  CapabilityRefusedError,
  ConfigurationError,
  ConstraintError,
  InvalidInputError,
  WrongTenantError,
} from '../../../src/errors.ts'
import { rewriteCopyText } from '../../../src/postgres/copy/copy-text.ts'
import { differingRows } from '../../../src/postgres/copy/differing-rows.ts'
import { type LoadedRows, loadedDigest, loadTenant, type TenantLoadOptions } from '../../../src/postgres/copy/tenant-load.ts'
import { openTenantSnapshot, type TenantSnapshot } from '../../../src/postgres/copy/tenant-snapshot.ts'
import { asTransfer } from '../../../src/postgres/copy/transfer-session.ts'
import { type Fleet, fleet, open } from '../../support/fleet.ts'
import { plainMigrations } from '../../support/plain-migrations.ts'
import { fillWide, freshKeys, wideTables } from '../../support/wide-tables.ts'

const tableNames = ['accounts', 'books', 'events', 'folders', 'notes', 'wide']

describe('a copy of one tenant’s rows', () => {
  let made: Fleet
  const secrets = memorySecrets()
  before(async () => {
    made = await fleet(plainMigrations(wideTables))
  })
  after(async () => {
    await made.strike()
  })

  const tenantWithRows = async (isolation: (typeof isolations)[number], rows?: number): Promise<PlacedTenant> => {
    const tenant = await made.tenant(isolation, { keys: freshKeys() })
    await fillWide(made, tenant, rows)
    return tenant
  }
  const digests = async (tenant: PlacedTenant) =>
    await openTenantSnapshot(made.connections, tenant, {}, async (snapshot) => {
      const entries = await Promise.all(snapshot.tables.map(async (table) => [table.name, await snapshot.digest(table)] as const))
      return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
    })
  const estimates = async (tenant: PlacedTenant) =>
    await openTenantSnapshot(made.connections, tenant, {}, async ({ tables }) =>
      Object.fromEntries(tables.map(({ name, rowsEstimated }) => [name, rowsEstimated])),
    )
  const rowsFor = (snapshot: TenantSnapshot, target: PlacedTenant): readonly LoadedRows[] =>
    snapshot.tables.map((table) => ({
      table: table.name,
      columns: table.copied,
      rows: () =>
        rewriteCopyText(snapshot.copyOut(table), table.copied, new Map([[table.tenantColumn, () => tenantKey(target, table.tenantType)]])),
    }))
  const load = async (target: PlacedTenant, options: Omit<TenantLoadOptions, 'url' | 'tenant'>) =>
    await asTransfer({ connections: made.connections, secrets }, { id: randomUUID(), tenant: target }, (url) =>
      loadTenant({ url, tenant: target, ...options }),
    )

  for (const [i, isolation] of isolations.entries()) {
    const beyond = isolations[(i + 1) % isolations.length]!
    test(`${isolation} to ${beyond}: every row arrives as it was, under the other tenant, and no neighbour's with it`, async () => {
      const [source, neighbour] = [await tenantWithRows(isolation), await tenantWithRows(isolation, 20)]
      const target = await made.tenant(beyond, { keys: freshKeys() })
      const beside = await tenantWithRows(beyond, 10)
      const before = [await digests(source), await digests(neighbour), await digests(beside)]
      assert.deepEqual(Object.keys(before[0]!), tableNames)
      assert.notDeepEqual(before[0], before[1])
      await openTenantSnapshot(made.connections, source, { connections: 3 }, async (snapshot) => {
        const loaded = await load(target, { tables: rowsFor(snapshot, target) })
        assert.deepEqual(loaded.map(({ table, rows }) => `${table} ${rows}`).sort(), [
          'accounts 3',
          'books 3',
          'events 21',
          'folders 1',
          'notes 50',
          'wide 4',
        ])
      })
      assert.deepEqual(await digests(target), before[0])
      if (beyond !== 'pooled')
        assert.deepEqual(await estimates(target), { accounts: 3, books: 3, events: 21, folders: 1, notes: 50, wide: 4 })
      assert.deepEqual([await digests(source), await digests(neighbour), await digests(beside)], before)
      const [next] = await made.as(target, (connection) =>
        connection.query<{ id: string; doubled: string }>(`insert into wide (amount) values (4) returning id, doubled`),
      )
      assert.equal(next?.doubled, '8.0000000000')
    })
  }

  test('what comes out is one tenant’s, whatever the table holds', async () => {
    const [bob, carol] = [await tenantWithRows('pooled'), await tenantWithRows('pooled')]
    const text = await openTenantSnapshot(made.connections, bob, {}, async (snapshot) => {
      assert.deepEqual(
        snapshot.tables.map(({ name }) => name).filter((name) => name === 'folders' || name === 'notes'),
        ['folders', 'notes'],
      )
      const pieces: Buffer[] = []
      for (const table of snapshot.tables) for await (const piece of snapshot.copyOut(table)) pieces.push(piece)
      return Buffer.concat(pieces).toString()
    })
    assert.match(text, new RegExp(bob.id))
    assert.doesNotMatch(text, new RegExp(carol.id))
    assert.doesNotMatch(text, new RegExp(carol.keys.bigint!))
  })

  test('a row of another tenant is refused on its way in, and nothing of the load stays', async () => {
    const [bob, carol] = [await tenantWithRows('pooled'), await made.tenant('pooled', { keys: freshKeys() })]
    const before = await digests(bob)
    await openTenantSnapshot(made.connections, bob, {}, async (snapshot) => {
      const tables = rowsFor(snapshot, carol)
      const spoiled = tables.map((each) =>
        each.table !== 'notes'
          ? each
          : {
              ...each,
              rows: async function* () {
                yield* each.rows()
                // A note of bob's own, among those that became carol's.
                yield Buffer.from(
                  `${each.columns.map((column) => ({ tenant_id: bob.id, id: randomUUID(), title: 'foreign' })[column] ?? '\\N').join('\t')}\n`,
                )
              },
            },
      )
      const refused = await load(carol, { tables: spoiled }).catch((error: unknown) => error)
      assert.ok(refused instanceof WrongTenantError)
      assert.deepEqual(refused.details, { table: 'notes', sent: 51, taken: 50 })
    })
    assert.ok(Object.values(await digests(carol)).every(({ rows }) => rows === 0))
    assert.deepEqual(await digests(bob), before)
  })

  test('a suspended tenant can be read, one that the database does not know cannot', async () => {
    for (const isolation of isolations) {
      const tenant = await tenantWithRows(isolation)
      await open(made, tenant, 'suspended')
      assert.equal((await digests(tenant))['notes']?.rows, 50)
    }
    const stranger = await made.placed('schema')
    await assert.rejects(digests(stranger), CapabilityRefusedError)
  })

  test('the capability is nobody’s to find: neither while the snapshot is read, nor after', async () => {
    const tenant = await tenantWithRows('schema')
    const seen = async () =>
      await made.alice(tenant.placement, `select c.capability from partywall.capabilities as c where c.issued_to = 'copy'`)
    await openTenantSnapshot(made.connections, tenant, {}, async (snapshot) => {
      assert.deepEqual(await seen(), [])
      await assert.rejects(
        snapshot.read((connection) =>
          connection.query(`insert into ${snapshot.tables.find(({ name }) => name === 'folders')!.sqlName} (name) values ('x')`),
        ),
        { code: '25006' },
      )
    })
    assert.deepEqual(await seen(), [])
  })

  test('writers go on, and the snapshot does not see what they do', async () => {
    for (const isolation of ['pooled', 'database'] as const) {
      const tenant = await tenantWithRows(isolation)
      const before = await digests(tenant)
      await openTenantSnapshot(made.connections, tenant, { connections: 2 }, async (snapshot) => {
        await made.as(tenant, async (connection) => {
          await connection.query(`update notes set title = title || ' changed'`)
          await connection.query('delete from events')
        })
        // Both connections: as many reads at a time.
        const seen = await Promise.all(snapshot.tables.map(async (table) => [table.name, await snapshot.digest(table)] as const))
        assert.deepEqual(Object.fromEntries(seen), before)
      })
      assert.notDeepEqual(await digests(tenant), before)
    }
  })

  test('a signal ends a snapshot in the middle of a table, and a load, of which nothing stays', async () => {
    const tenant = await tenantWithRows('pooled', 20_000)
    const stopping = new AbortController()
    await assert.rejects(
      openTenantSnapshot(made.connections, tenant, { signal: stopping.signal }, async (snapshot) => {
        for await (const _ of snapshot.copyOut(snapshot.tables.find(({ name }) => name === 'notes')!)) stopping.abort()
      }),
      AbortedError,
    )
    const target = await made.tenant('pooled', { keys: freshKeys() })
    const loading = new AbortController()
    await openTenantSnapshot(made.connections, tenant, {}, async (snapshot) => {
      const aborted = load(target, {
        tables: rowsFor(snapshot, target).map((each) => ({
          ...each,
          rows: async function* () {
            for await (const piece of each.rows()) {
              yield piece
              if (each.table === 'notes') loading.abort()
            }
          },
        })),
        signal: loading.signal,
      })
      await assert.rejects(aborted, AbortedError)
    })
    assert.ok(Object.values(await digests(target)).every(({ rows }) => rows === 0))
    await assert.rejects(
      openTenantSnapshot(made.connections, tenant, { connections: 17 }, async () => {}),
      InvalidInputError,
    )
  })

  test('a signal ends what the server works on, not only what it sends', async () => {
    const tenant = await tenantWithRows('pooled')
    const stopping = new AbortController()
    await openTenantSnapshot(made.connections, tenant, { signal: stopping.signal }, async (snapshot) => {
      const begun = snapshot.read((connection) => connection.query('select pg_sleep(600)'))
      const isAsleep = async () =>
        (
          await made.alice(
            tenant.placement,
            `select from pg_catalog.pg_stat_activity where state = 'active' and query = 'select pg_sleep(600)'`,
          )
        ).length > 0
      while (!(await isAsleep())) await new Promise(setImmediate)
      stopping.abort()
      await assert.rejects(begun, AbortedError)
      await assert.rejects(snapshot.digest(snapshot.tables[0]!), AbortedError)
      while (await isAsleep()) await new Promise(setImmediate)
    }).catch((error: unknown) => assert.ok(error instanceof AbortedError))
  })

  test('a reader who leaves in the middle spends a connection, and the others go on', async () => {
    const tenant = await tenantWithRows('pooled', 20_000)
    await openTenantSnapshot(made.connections, tenant, { connections: 2 }, async (snapshot) => {
      const notes = snapshot.tables.find(({ name }) => name === 'notes')!
      for await (const _ of snapshot.copyOut(notes)) break
      assert.equal((await snapshot.digest(notes)).rows, 20_000)
      for await (const _ of snapshot.copyOut(notes)) break
      await assert.rejects(snapshot.digest(notes), { code: 'PW_CONNECTION_LOST' })
    })
  })

  test('a table behind the wall that is outside the tenant’s schema is told, and not missed', async () => {
    const tenant = await made.tenant('database', { keys: freshKeys() })
    const { database } = tenant.placement
    await made.connections.asMigrator(database, async (control) => {
      await control.query(`create schema elsewhere; create table elsewhere.things (tenant_id uuid not null, id int not null, primary key (tenant_id, id));
        select partywall.protect('elsewhere.things')`)
    })
    await assert.rejects(digests(tenant), (error: Error) => error instanceof ConfigurationError && /elsewhere\.things/.test(error.message))
    await made.connections.asMigrator(database, async (control) => {
      await control.query(`drop table elsewhere.things; delete from partywall.protected_tables where table_name = 'elsewhere.things'`)
    })
    assert.equal((await digests(tenant))['notes']?.rows, 0)
  })

  test('what a source fails with is what the caller is told, and nothing of the load stays', async () => {
    const target = await made.tenant('pooled')
    const rows = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('')
      throw new TypeError('ada@acme.example is no number.')
    }
    const failed = await load(target, { tables: [{ table: 'folders', columns: ['tenant_id', 'id', 'name'], rows }] }).catch(
      (error: unknown) => error,
    )
    assert.ok(failed instanceof TypeError)
    assert.equal((await digests(target))['folders']?.rows, 0)
  })

  test('what does not fit the target is refused before a row is sent', async () => {
    const target = await made.tenant('pooled')
    const nothing = async function* (): AsyncGenerator<Buffer> {}
    const refusals: readonly (readonly [Partial<LoadedRows>, RegExp])[] = [
      [{ table: 'ghosts', columns: [] }, /no table "ghosts"/],
      [{ table: 'accounts', columns: ['account'] }, /no key of its type/],
      [{ table: 'folders', columns: ['tenant_id', 'ghost'] }, /"ghost"/],
      [{ table: 'wide', columns: ['tenant_id', 'doubled'] }, /computes it/],
      [{ table: 'folders', columns: ['id', 'name'] }, /tenant column/],
    ]
    for (const [rows, message] of refusals) {
      const error = await load(target, { tables: [{ table: '', columns: [], rows: nothing, ...rows }] }).catch((e: unknown) => e)
      assert.ok(error instanceof ConfigurationError)
      assert.match(error.message, message)
    }
  })

  test('constraints hold for rows that are loaded, and the row’s values stay out of the message', async () => {
    const target = await made.tenant('schema', { keys: freshKeys() })
    const rows = (text: string) =>
      async function* () {
        yield Buffer.from(text)
      }
    const orphan = {
      table: 'notes',
      columns: ['tenant_id', 'id', 'folder_id', 'title'],
      rows: rows(`${target.id}\t${randomUUID()}\t${randomUUID()}\tsecret\n`),
    }
    const refused = await load(target, { tables: [orphan] }).catch((error: unknown) => error)
    assert.ok(refused instanceof ConstraintError)
    assert.equal(refused.details['constraint'], 'notes_folder_fkey')
    assert.doesNotMatch(refused.message, /secret/)
  })

  test('tables that refer to each other in a circle are loaded when one reference can wait for the commit, and refused otherwise', async () => {
    const [source, target] = [await made.tenant('database'), await made.tenant('database')]
    const table = (name: string) =>
      `create table app.${name} (tenant_id uuid not null, id int not null, other int, constraint ${name}_pkey primary key (tenant_id, id));`
    const refer = (from: string, to: string) =>
      `alter table app.${from} add constraint ${from}_other_fkey foreign key (tenant_id, other) references app.${to} (tenant_id, id)`
    for (const { placement } of [source, target]) {
      await made.connections.asMigrator(placement.database, async (control) => {
        await control.query(`${table('hens')} ${table('eggs')} ${refer('hens', 'eggs')} deferrable; ${refer('eggs', 'hens')};
          select partywall.protect('app.hens'); select partywall.protect('app.eggs');`)
      })
    }
    await made.as(source, async (connection) => {
      await connection.query('insert into hens (id) values (1)')
      await connection.query('insert into eggs (id, other) values (1, 1)')
      await connection.query('update hens set other = 1')
    })
    const loading = async (atomic: 'all' | 'table', wish?: (rows: LoadedRows) => LoadedRows) =>
      await openTenantSnapshot(made.connections, source, {}, async (snapshot) => {
        const tables = rowsFor(snapshot, target).filter((each) => each.table === 'hens' || each.table === 'eggs')
        return await load(target, { tables: wish === undefined ? tables : tables.map(wish), atomic })
      })
    await assert.rejects(loading('table'), ConstraintError)
    // A hen whose egg never comes: the reference that waited is checked all the same.
    const barren = (rows: LoadedRows): LoadedRows => (rows.table === 'hens' ? rows : { ...rows, rows: async function* () {} })
    await assert.rejects(loading('all', barren), ConstraintError)
    assert.deepEqual(
      (await loading('all')).map(({ table: name, rows }) => `${name} ${rows}`),
      ['hens 1', 'eggs 1'],
    )
    await made.connections.asMigrator(target.placement.database, async (control) => {
      await control.query('alter table app.hens alter constraint hens_other_fkey not deferrable')
    })
    await assert.rejects(loading('all'), (error: Error) => error instanceof ConstraintError && /circle/.test(error.message))
  })

  test('a load table by table keeps those before the one that failed', async () => {
    const target = await made.tenant('database')
    const rows = (text: string) =>
      async function* () {
        yield Buffer.from(text)
      }
    const good = { table: 'folders', columns: ['tenant_id', 'id', 'name'], rows: rows(`${target.id}\t${randomUUID()}\tgood\n`) }
    const bad = { table: 'notes', columns: ['tenant_id', 'id', 'title'], rows: rows(`${target.id}\t${randomUUID()}\t\\N\n`) }
    await assert.rejects(load(target, { tables: [bad, good], atomic: 'table' }), ConstraintError)
    const kept = await made.as(target, (connection) => connection.query('select name from folders'))
    assert.deepEqual(kept, [{ name: 'good' }])
  })

  test('before the commit the loaded rows can be digested, and a refusal then keeps nothing', async () => {
    const [source, target] = [await tenantWithRows('server'), await made.tenant('pooled', { keys: freshKeys() })]
    const before = await digests(source)
    await openTenantSnapshot(made.connections, source, {}, async (snapshot) => {
      const compared = load(target, {
        tables: rowsFor(snapshot, target),
        beforeCommit: async (connection, tables) => {
          for (const table of tables) assert.deepEqual(await loadedDigest(connection, target, table), before[table.name])
          throw new InvalidInputError('Enough.')
        },
      })
      await assert.rejects(compared, InvalidInputError)
    })
    assert.ok(Object.values(await digests(target)).every(({ rows }) => rows === 0))
  })

  test('rows that differ are named by their keys, each for what it is', async () => {
    const tenant = await tenantWithRows('pooled', 300)
    const rowsOf = (snapshot: TenantSnapshot) => {
      const notes = snapshot.tables.find(({ name }) => name === 'notes')!
      return { sqlName: notes.sqlName, columns: ['id', 'title'], key: ['id'] }
    }
    await openTenantSnapshot(made.connections, tenant, {}, async (before) => {
      const changed = await made.as(tenant, async (connection) => {
        const [edited] = await connection.query<{ id: string }>(`update notes set title = 'x' where title = 'note 7' returning id`)
        const [gone] = await connection.query<{ id: string }>(`delete from notes where title = 'note 8' returning id`)
        const [added] = await connection.query<{ id: string }>(`insert into notes (title) values ('new') returning id`)
        return [edited!.id, gone!.id, added!.id] as const
      })
      await openTenantSnapshot(made.connections, tenant, {}, async (now) => {
        const sides = async (limit?: number) =>
          await before.read((left) =>
            now.read((right) =>
              differingRows({ connection: left, rows: rowsOf(before) }, { connection: right, rows: rowsOf(now) }, { limit }),
            ),
          )
        const found = (await sides()).map(({ key: [id], where }) => `${id} ${where}`).sort()
        assert.deepEqual(found, [`${changed[0]} both`, `${changed[1]} left`, `${changed[2]} right`].sort())
        assert.equal((await sides(2)).length, 2)
      })
    })
  })

  test('a transfer login is there for the load alone', async () => {
    const target = await made.tenant('pooled')
    const logins = async () =>
      await made.alice(target.placement, `select rolname from pg_catalog.pg_roles where rolname ~ '^pw_tr_' and rolbypassrls`)
    await asTransfer({ connections: made.connections, secrets }, { id: randomUUID(), tenant: target }, async () => {
      assert.ok((await logins()).length > 0)
    })
    await assert.rejects(
      asTransfer({ connections: made.connections, secrets }, { id: randomUUID(), tenant: target }, () =>
        Promise.reject(new InvalidInputError('No.')),
      ),
      InvalidInputError,
    )
    assert.deepEqual(await secrets.list('transfer/'), [])
  })
})
