// Tables of tenants' own schemas as partitions of roots, for as long as their tenants move: the wall holds as before, nothing is read
// for it, and nothing is left.

import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type { PlacedTenant } from '../../../src/core/placement-adapter.ts'
import { MoveFailedError, MoveRefusedError, PlacementConflictError } from '../../../src/errors.ts'
import { bootFindings } from '../../../src/postgres/boot-gate.ts'
import { ControlPool } from '../../../src/postgres/control-pool.ts'
import { readShapes } from '../../../src/postgres/migrations/shape.ts'
import { MovePlaces } from '../../../src/postgres/moves/move-places.ts'
import { attachToRoot, detachFromRoot, type RootedSchema } from '../../../src/postgres/moves/partition-roots.ts'
import { type Fleet, fleet, Killed } from '../../support/fleet.ts'
import { plainMigrations, tables } from '../../support/plain-migrations.ts'
import { urlFor } from '../../support/template.ts'

/** Every kind of table that a move may meet: beside those of other tests, circles, generated columns, tenants by number and by text. */
const more = `
  create table orders (
    tenant_id uuid not null,
    id uuid not null default partywall.uuidv7(),
    first_line uuid,
    net integer not null default 0,
    gross integer generated always as (net * 2) stored,
    constraint orders_pkey primary key (tenant_id, id)
  );
  create table lines (
    tenant_id uuid not null,
    id uuid not null default partywall.uuidv7(),
    order_id uuid not null,
    constraint lines_pkey primary key (tenant_id, id),
    constraint lines_order_fkey foreign key (tenant_id, order_id) references orders (tenant_id, id) deferrable
  );
  alter table orders add constraint orders_line_fkey foreign key (tenant_id, first_line) references lines (tenant_id, id) deferrable;
  create index orders_net_idx on orders (tenant_id, net);
  create table numbered (
    account bigint not null,
    id integer not null,
    "a column" text,
    constraint numbered_pkey primary key (account, id)
  );
  create table "Worded" (
    owner text collate "C" not null,
    id integer not null,
    constraint worded_pkey primary key (owner, id)
  );
  select partywall.protect('orders');
  select partywall.protect('lines');
  select partywall.protect('numbered', 'account');
  select partywall.protect('"Worded"', 'owner');`

const names = ['"Worded"', 'events', 'folders', 'lines', 'notes', 'numbered', 'orders']

let made: Fleet
let keys = 100

function nextKeys() {
  keys += 1
  return { keys: { bigint: String(keys), text: `it's "${keys}"` } }
}

async function filled(): Promise<PlacedTenant> {
  const tenant = await made.tenant('schema', nextKeys())
  await made.as(tenant, async (connection) => {
    await connection.query(`insert into notes (title) values ('one'), ('two')`)
    await connection.query('insert into orders (net) values (1), (2), (3)')
    await connection.query('insert into events (id) values (1), (200)')
    await connection.query(`insert into numbered (id, "a column") values (1, 'x')`)
    await connection.query('insert into "Worded" (id) values (1)')
  })
  return tenant
}

const rooted = (tenant: PlacedTenant, options: Partial<RootedSchema> = {}): RootedSchema => ({
  tenant,
  schema: tenant.placement.schema,
  ...options,
})

async function there<T>({ placement }: PlacedTenant, fn: (control: ControlPool) => Promise<T>): Promise<T> {
  return await made.connections.asMigrator(placement.database, fn)
}

const attach = (tenant: PlacedTenant, options?: Partial<RootedSchema>) =>
  there(tenant, (control) => attachToRoot(control, rooted(tenant, options)))
const detach = (tenant: PlacedTenant, options?: Partial<RootedSchema>) =>
  there(tenant, (control) => detachFromRoot(control, rooted(tenant, options)))

async function roots(tenant: PlacedTenant): Promise<readonly string[]> {
  const rows = await made.alice<{ name: string }>(
    tenant.placement,
    `select quote_ident(c.relname) as name from pg_class as c where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'p') order by c.relname`,
  )
  return rows.map(({ name }) => name)
}

async function attached(tenant: PlacedTenant): Promise<number> {
  const [row] = await made.alice<{ count: number }>(
    tenant.placement,
    `select count(*)::int as count from pg_class as c
      where c.relnamespace = to_regnamespace($1) and c.relispartition and (select i.inhparent::regclass::text from pg_inherits as i where i.inhrelid = c.oid) like 'app.%'`,
    [tenant.placement.schema],
  )
  return row!.count
}

async function shapeOf(tenant: PlacedTenant): Promise<readonly string[]> {
  const { schema } = tenant.placement
  const shapes = await there(tenant, (control) => readShapes(control, [schema]))
  return [...(shapes.get(schema) ?? [])].map(([name, { definition }]) => `${name}: ${definition}`).sort()
}

async function countIn(tenant: PlacedTenant): Promise<readonly unknown[]> {
  return await made.as(tenant, (connection) =>
    connection.query(
      'select (select count(*)::int from notes) as notes, (select count(*)::int from orders) as orders, (select count(*)::int from events) as events, (select count(*)::int from numbered) as numbered, (select count(*)::int from "Worded") as worded',
    ),
  )
}

async function findings(tenant: PlacedTenant): Promise<readonly { readonly rule: string; readonly object: string }[]> {
  const here = await made.placements.for('schema').verify(tenant)
  const boot = await there(tenant, (control) => bootFindings(control, 'partywall_app'))
  return [...here, ...boot].map(({ rule, object }) => ({ rule, object }))
}

describe('roots for moves', () => {
  before(async () => {
    made = await fleet(plainMigrations([...tables, more]))
  })
  after(() => made.strike())

  test('while they move, tenants use their own tables as before; nobody reads through the root; nothing is left afterwards', async () => {
    const [bob, carol] = [await filled(), await filled()]
    const before = await shapeOf(bob)
    assert.ok(before.length > 50)
    await attach(bob)
    await attach(bob)
    await attach(carol)
    assert.deepEqual(
      await roots(bob),
      [...names].sort((a, b) => (a.replaceAll('"', '') < b.replaceAll('"', '') ? -1 : 1)),
    )
    assert.deepEqual([await attached(bob), await attached(carol)], [names.length, names.length])

    // The ground truth: through the root both are seen.
    const [both] = await made.alice<{ count: number }>(bob.placement, 'select count(*)::int as count from app.orders')
    assert.equal(both!.count, 6)
    for (const tenant of [bob, carol]) {
      assert.deepEqual(await countIn(tenant), [{ notes: 2, orders: 3, events: 2, numbered: 1, worded: 1 }])
      await made.as(tenant, async (connection) => {
        await connection.query('update orders set net = net + 1')
        await connection.query(`delete from notes where title = 'two'`)
        await connection.query(`insert into notes (title) values ('two')`)
      })
      for (const name of names) {
        await assert.rejects(
          made.as(tenant, (connection) => connection.query(`select * from app.${name}`)),
          { code: '42501' },
        )
        await assert.rejects(
          made.as(tenant, (connection) => connection.query(`delete from app.${name}`)),
          { code: '42501' },
        )
        // The owner too stands before policies that are not there.
        assert.deepEqual(await there(tenant, (control) => control.query(`select * from app.${name}`)), [])
      }
      await assert.rejects(
        made.as(tenant, (connection) =>
          connection.query(`insert into app.orders (tenant_id, id) values ($1, $2)`, [tenant.id, randomUUID()]),
        ),
        { code: '42501' },
      )
    }
    const stranger = carol.placement.schema
    for (const name of names) {
      const rows = await made.as(bob, (connection) => connection.query(`select * from ${stranger}.${name}`))
      assert.deepEqual(rows, [])
    }
    await assert.rejects(
      made.as(bob, (connection) => connection.query(`insert into ${stranger}.orders (tenant_id) values ($1)`, [carol.id])),
    )

    assert.deepEqual(await findings(bob), [])
    assert.deepEqual(await findings(carol), [])
    await there(bob, async (control) => {
      await control.query('select partywall.assert_walled($1)', [bob.placement.schema])
      await control.query(`select partywall.assert_walled('app')`)
      for (const name of names.slice(2, 4)) {
        assert.deepEqual(
          await control.query('select * from partywall.table_findings($1::regclass)', [`${bob.placement.schema}.${name}`]),
          [],
        )
      }
    })
    assert.deepEqual(await shapeOf(bob), before)

    await detach(bob)
    await detach(bob)
    assert.equal((await roots(bob)).length, names.length)
    assert.deepEqual([await attached(bob), await attached(carol)], [0, names.length])
    assert.deepEqual(await countIn(carol), [{ notes: 2, orders: 3, events: 2, numbered: 1, worded: 1 }])
    await detach(carol)
    assert.deepEqual(await roots(bob), [])
    assert.deepEqual(await shapeOf(bob), before)
    assert.deepEqual(await countIn(bob), [{ notes: 2, orders: 3, events: 2, numbered: 1, worded: 1 }])
    assert.deepEqual(await findings(bob), [])
  })

  test('no row is read when a table is attached: its check says what the partition would; without the check it would be', async () => {
    const tenant = await filled()
    const read = async (): Promise<number> => {
      const [row] = await made.alice<{ read: number }>(
        tenant.placement,
        `select coalesce(sum(s.seq_tup_read), 0)::int as read from pg_stat_all_tables as s where s.schemaname = $1`,
        [tenant.placement.schema],
      )
      return row!.read
    }
    // One session, whose own counts are written before anybody asks.
    const alone = async (fn: (control: ControlPool) => Promise<void>): Promise<void> => {
      const control = new ControlPool({
        connectionString: await made.connections.migratorUrl(tenant.placement.database),
        applicationName: 'test-attach',
        connectionsMax: 1,
      })
      try {
        await control.query('set role partywall_owner')
        await fn(control)
        await control.query('select pg_stat_force_next_flush()')
        await control.query('select 1')
      } finally {
        await control.close()
      }
    }
    const before = await read()
    await alone((control) => attachToRoot(control, rooted(tenant)))
    assert.equal(await attached(tenant), names.length)
    assert.equal(await read(), before)
    await detach(tenant)
    // The same with the check taken away: then PostgreSQL has to look.
    await made.alice(tenant.placement, `alter table ${tenant.placement.schema}.orders drop constraint partywall_tenant_check`)
    const again = await read()
    await alone((control) => attachToRoot(control, rooted(tenant)))
    assert.ok((await read()) > again)
    await detach(tenant)
  })

  test('a run that is killed between two tables is gone on with, in both directions', async () => {
    const tenant = await filled()
    const killedAfter = (count: number, control: ControlPool) => {
      let left = count
      return {
        query: control.query.bind(control),
        transaction: async <T>(fn: Parameters<ControlPool['transaction']>[0]): Promise<T> => {
          if (left === 0) throw new Killed('in the middle')
          left -= 1
          return (await control.transaction(fn)) as T
        },
      } as Pick<ControlPool, 'query' | 'transaction'>
    }
    await assert.rejects(
      there(tenant, (control) => attachToRoot(killedAfter(3, control), rooted(tenant))),
      Killed,
    )
    assert.deepEqual([await attached(tenant), (await roots(tenant)).length], [3, 3])
    assert.deepEqual(await findings(tenant), [])
    await attach(tenant)
    assert.equal(await attached(tenant), names.length)
    await assert.rejects(
      there(tenant, (control) => detachFromRoot(killedAfter(3, control), rooted(tenant))),
      Killed,
    )
    assert.deepEqual([await attached(tenant), (await roots(tenant)).length], [names.length - 3, names.length - 3])
    assert.deepEqual(await findings(tenant), [])
    await detach(tenant)
    assert.deepEqual(await roots(tenant), [])
  })

  test('tenants who come and go at the same time share the roots', async () => {
    const tenants = await Promise.all([filled(), filled(), filled()])
    for (let round = 0; round < 3; round++) {
      await Promise.all(tenants.map((tenant) => attach(tenant)))
      for (const tenant of tenants) assert.equal(await attached(tenant), names.length)
      await Promise.all(tenants.map((tenant) => detach(tenant)))
      assert.deepEqual(await roots(tenants[0]!), [])
    }
  })

  test('a table of another shape is refused by name while somebody moves; when nobody does, it makes the root', async () => {
    const [bob, carol] = [await filled(), await filled()]
    await made.alice(
      carol.placement,
      `alter table ${carol.placement.schema}.numbered add column note text, alter column "a column" type varchar(9)`,
    )
    await attach(bob)
    await assert.rejects(attach(carol), (error: Error) => {
      assert.ok(error instanceof MoveRefusedError)
      assert.match(error.message, /numbered has not the shape of app\.numbered/)
      assert.match(error.message, /a column is character varying\(9\).* here and text .*there/)
      assert.match(error.message, /note is text .*here and missing there/)
      return true
    })
    await detach(carol)
    assert.equal(await attached(bob), names.length)
    await detach(bob)
    await attach(carol)
    assert.equal(await attached(carol), names.length)
    await detach(carol)
    assert.deepEqual(await roots(bob), [])
  })

  test('what has a root’s name and was not made for moves is left as it is', async () => {
    const tenant = await filled()
    await made.alice(tenant.placement, 'create table app.orders (id int); alter table app.orders owner to partywall_owner')
    await assert.rejects(attach(tenant), PlacementConflictError)
    assert.deepEqual(await made.alice(tenant.placement, 'select * from app.orders'), [])
    await made.alice(tenant.placement, 'drop table app.orders')
    await attach(tenant)
    await detach(tenant)
    assert.deepEqual(await roots(tenant), [])
  })

  test('a table that cannot be a partition is refused, and named', async () => {
    const tenant = await filled()
    const { schema } = tenant.placement
    await made.alice(
      tenant.placement,
      `create function ${schema}.seen() returns trigger language plpgsql as 'begin return null; end';
       create trigger seen after insert on ${schema}.notes referencing new table as fresh for each row execute function ${schema}.seen()`,
    )
    await assert.rejects(attach(tenant), (error: Error) => {
      assert.ok(error instanceof MoveRefusedError)
      assert.match(error.message, /notes cannot be a partition.*seen/)
      return true
    })
    await detach(tenant)
    assert.deepEqual(await roots(tenant), [])
  })

  for (const [what, open, close] of [
    ['a privilege', 'grant select on app.notes to partywall_app', 'revoke all on app.notes from partywall_app'],
    ['a privilege for all', 'grant select on app.notes to public', 'revoke all on app.notes from public'],
    ['a column’s privilege', 'grant select (title) on app.notes to partywall_app', 'revoke select (title) on app.notes from partywall_app'],
    ['a policy', 'create policy open on app.notes using (true)', 'drop policy open on app.notes'],
    ['no row-level security', 'alter table app.notes disable row level security', 'alter table app.notes enable row level security'],
    ['none for its owner', 'alter table app.notes no force row level security', 'alter table app.notes force row level security'],
    ['another owner', 'alter table app.notes owner to postgres', 'alter table app.notes owner to partywall_owner'],
  ] as const) {
    test(`a root with ${what} is found, wherever one looks`, async () => {
      const [tenant, neighbour] = [await filled(), await filled()]
      await attach(tenant)
      const superuser = await made.alice<{ name: string }>(tenant.placement, 'select current_user as name')
      await made.alice(tenant.placement, open.replace('postgres', superuser[0]!.name))
      const found = (await findings(neighbour)).filter(({ rule, object }) => rule === 'root_for_moves' && object === 'app.notes')
      assert.equal(found.length, 2)
      await assert.rejects(
        there(tenant, (control) => control.query(`select partywall.assert_walled('app')`)),
        { code: 'PW010' },
      )
      await made.alice(tenant.placement, close)
      assert.deepEqual(await findings(neighbour), [])
      await detach(tenant)
    })
  }

  test('a lock that the tenant holds is asked for again and again for a moment each, and given up in the end', async () => {
    const tenant = await filled()
    const holder = new ControlPool({ connectionString: await superuserUrl(tenant), applicationName: 'test-holder', connectionsMax: 1 })
    try {
      await holder.session(async (session) => {
        await session.query('begin')
        await session.query(`lock table ${tenant.placement.schema}.folders in access share mode`)
        await assert.rejects(attach(tenant, { attemptsMax: 3 }), MoveFailedError)
        assert.equal(await attached(tenant), 2)
        const attaching = attach(tenant)
        // Others get through between two attempts, and are not behind us for long.
        assert.equal((await made.as(tenant, (connection) => connection.query('select name from folders'))).length, 0)
        await session.query('commit')
        await attaching
      })
      assert.equal(await attached(tenant), names.length)
      await holder.session(async (session) => {
        await session.query('begin')
        await session.query('lock table app.folders in access share mode')
        await assert.rejects(detach(tenant, { attemptsMax: 3 }), MoveFailedError)
        const detaching = detach(tenant)
        await session.query('commit')
        await detaching
      })
      assert.deepEqual(await roots(tenant), [])
    } finally {
      await holder.close()
    }
  })

  test('replication goes from one schema to another through the roots: rows, new keys, deletions, and no neighbour’s', async () => {
    const places = new MovePlaces(made.placements)
    const [tenant, neighbour] = [await filled(), await filled()]
    const other = `pw_schemas_${randomBytes(6).toString('hex')}`
    await made.placements.schemaDatabases.create({ server: 'main', name: other })
    const moveId = randomUUID()
    const target = await places.reserve(tenant, { moveId, isolation: 'schema', database: other })
    await places.provisionTarget(tenant, target, { fence: 1 })
    const second = { ...tenant, placement: target }
    for (const place of [tenant, neighbour, second]) await places.join(place, place.placement)
    const name = `test_${randomBytes(6).toString('hex')}`
    const url = await superuserUrl(tenant)
    const filter = (table: string) =>
      table === 'numbered'
        ? `account = ${tenant.keys.bigint}`
        : table === '"Worded"'
          ? `owner = '${tenant.keys.text!.replaceAll("'", "''")}'`
          : `tenant_id = '${tenant.id}'`
    await made.alice(
      tenant.placement,
      `create publication ${name} for ${names.map((table) => `table app.${table} where (${filter(table)})`).join(', ')} with (publish_via_partition_root = true)`,
    )
    // Before PostgreSQL 16 nothing else was known.
    const [server] = await made.alice<{ knows: boolean }>(target, `select current_setting('server_version_num')::int >= 160000 as knows`)
    const asOwner = server!.knows ? 'run_as_owner = true' : 'binary = false'
    await made.alice(tenant.placement, `select pg_create_logical_replication_slot('${name}', 'pgoutput')`)
    try {
      await made.alice(
        target,
        `create subscription ${name} connection '${url}' publication ${name} with (create_slot = false, slot_name = '${name}', ${asOwner})`,
      )
      await until(async () => {
        const [row] = await made.alice<{ ready: boolean }>(
          target,
          `select bool_and(r.srsubstate = 'r') as ready from pg_subscription_rel as r`,
        )
        return row?.ready === true
      })
      await made.as(tenant, async (connection) => {
        await connection.query('update orders set net = net + 10')
        await connection.query(`update orders set id = partywall.uuidv7() where net = 11`)
        await connection.query('delete from orders where net = 12')
        await connection.query(`update events set id = 150 where id = 1`)
        await connection.query(`delete from notes where title = 'one'`)
        await connection.query(`update numbered set "a column" = 'y'`)
        await connection.query('delete from "Worded"')
        await connection.query(`insert into folders (name) values ('late')`)
      })
      await made.as(neighbour, (connection) => connection.query(`update orders set net = 77`))
      const content = async (place: PlacedTenant): Promise<unknown> => {
        const rows: unknown[] = []
        for (const table of names)
          rows.push(await made.alice(place.placement, `select * from ${place.placement.schema}.${table} order by 1, 2`))
        return rows
      }
      const source = await content(tenant)
      await until(async () => JSON.stringify(await content(second)) === JSON.stringify(source))
      const [count] = await made.alice<{ count: number }>(target, 'select count(*)::int as count from app.orders')
      assert.equal(count!.count, 2)
    } finally {
      await made.alice(
        target,
        `alter subscription ${name} disable; alter subscription ${name} set (slot_name = none); drop subscription ${name}`,
      )
      await until(async () => {
        const [slot] = await made.alice<{ active: boolean }>(target, `select active from pg_replication_slots where slot_name = '${name}'`)
        return slot?.active === false
      })
      await made.alice(target, `select pg_drop_replication_slot('${name}')`)
      await made.alice(tenant.placement, `drop publication ${name}`)
    }
    for (const place of [tenant, neighbour, second]) await places.leave(place, place.placement)
    assert.deepEqual([await roots(tenant), await roots(second)], [[], []])
  })
})

async function superuserUrl({ placement }: PlacedTenant): Promise<string> {
  return urlFor(made.secrets.get(`server/${placement.server}/admin`)!, placement.database)
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let look = 0; !(await isSo()); look++) assert.ok(look < 2_000, 'it does not come to be so')
}
