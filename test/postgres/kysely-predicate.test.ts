// What the explicit tenant makes of a query, as SQL. Whether it means the same is tested on the database, in kysely.test.ts.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DummyDriver, type Generated, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from 'kysely'
import type { TenantId, TenantKeys } from '../../src/core/tenant.ts'
import { ConfigurationError, TenantColumnError, WrongTenantError } from '../../src/errors.ts'
import { type ProtectedColumn, type ProtectedTables, scopeQuery } from '../../src/postgres/kysely-predicate.ts'

interface Row {
  id: string
  title: string
  owner: string
}
interface Schema {
  notes: Row & { tenant_id: Generated<string> }
  tags: Row
  countries: { code: string }
  'app.notes': Row
  orders: { account_id: Generated<string | number | bigint>; id: string; owner: string }
}

const tenantId: ProtectedColumn = { name: 'tenant_id', type: 'uuid' }
const tables: ProtectedTables = new Map<string, ProtectedColumn>([
  ['notes', tenantId],
  ['app.notes', tenantId],
  ['tags', tenantId],
  ['orders', { name: 'account_id', type: 'bigint' }],
])
let tenant = 'T'
let keys: TenantKeys = { bigint: '7' }
let isOutside = false

const db = new Kysely<Schema>({
  dialect: {
    createDriver: () => new DummyDriver(),
    createAdapter: () => new PostgresAdapter(),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createIntrospector: (kysely) => new PostgresIntrospector(kysely),
  },
  plugins: [
    {
      transformQuery: ({ node }) => (isOutside ? node : scopeQuery(node, tables, { id: tenant as TenantId, keys })),
      transformResult: async ({ result }) => result,
    },
  ],
})

function becomes(query: { compile(): { sql: string; parameters: readonly unknown[] } }, sqlText: string, parameters?: readonly unknown[]) {
  const compiled = query.compile()
  assert.equal(compiled.sql, sqlText)
  if (parameters !== undefined) assert.deepEqual(compiled.parameters, parameters)
}

describe('the explicit tenant in reads:', () => {
  test('a table, an alias, a schema', () => {
    becomes(db.selectFrom('notes').select('id'), 'select "id" from "notes" where "notes"."tenant_id" = $1', ['T'])
    becomes(db.selectFrom('notes as n').select('n.id'), 'select "n"."id" from "notes" as "n" where "n"."tenant_id" = $1')
    becomes(db.selectFrom('app.notes').select('id'), 'select "id" from "app"."notes" where "app"."notes"."tenant_id" = $1')
    becomes(db.withSchema('app').selectFrom('notes').select('id'), 'select "id" from "app"."notes" where "app"."notes"."tenant_id" = $1')
  })

  test('a global table is left alone', () => {
    becomes(db.selectFrom('countries').selectAll(), 'select * from "countries"', [])
  })

  test('the caller’s condition cannot swallow it', () => {
    becomes(
      db
        .selectFrom('notes')
        .select('id')
        .where(sql<boolean>`true or ${sql.ref('id')} = ${'x'}`),
      'select "id" from "notes" where (true or "id" = $1) and "notes"."tenant_id" = $2',
      ['x', 'T'],
    )
  })

  test('an inner join in ON and WHERE, a left join in its ON', () => {
    becomes(
      db.selectFrom('notes').innerJoin('tags as t', 't.owner', 'notes.id').select('t.id'),
      'select "t"."id" from "notes" inner join "tags" as "t" on ("t"."owner" = "notes"."id") and "t"."tenant_id" = $1 where "notes"."tenant_id" = $2',
    )
    becomes(
      db.selectFrom('notes').leftJoin('tags', 'tags.owner', 'notes.id').select('tags.id'),
      'select "tags"."id" from "notes" left join "tags" on ("tags"."owner" = "notes"."id") and "tags"."tenant_id" = $1 where "notes"."tenant_id" = $2',
    )
  })

  test('a right join nulls the left side, a full join both', () => {
    becomes(
      db.selectFrom('notes').rightJoin('tags', 'tags.owner', 'notes.id').select('tags.id'),
      'select "tags"."id" from "notes" right join "tags" on ("tags"."owner" = "notes"."id") and "notes"."tenant_id" = $1 where "tags"."tenant_id" = $2',
    )
    becomes(
      db.selectFrom('notes').fullJoin('tags', 'tags.owner', 'notes.id').select('tags.id'),
      'select "tags"."id" from "notes" full join "tags" on (("tags"."owner" = "notes"."id") and "notes"."tenant_id" = $1) and "tags"."tenant_id" = $2',
    )
  })

  test('subqueries, wherever they are, once each', () => {
    becomes(
      db
        .selectFrom('notes')
        .select((eb) => eb.selectFrom('tags').select('tags.id').limit(1).as('tag'))
        .where('id', 'in', db.selectFrom('tags').select('owner')),
      'select (select "tags"."id" from "tags" where "tags"."tenant_id" = $1 limit $2) as "tag" from "notes" where ("id" in (select "owner" from "tags" where "tags"."tenant_id" = $3)) and "notes"."tenant_id" = $4',
    )
    becomes(
      db.selectFrom(db.selectFrom('notes').select('id').as('x')).selectAll(),
      'select * from (select "id" from "notes" where "notes"."tenant_id" = $1) as "x"',
    )
    becomes(
      db.selectFrom('notes').select('id').union(db.selectFrom('tags').select('id')),
      'select "id" from "notes" where "notes"."tenant_id" = $1 union select "id" from "tags" where "tags"."tenant_id" = $2',
    )
    becomes(
      { compile: () => sql`select * from ${db.selectFrom('notes').select('id')} as x`.compile(db) },
      'select * from (select "id" from "notes" where "notes"."tenant_id" = $1) as x',
    )
  })

  test('a common table expression hides a table of its name, but not inside itself', () => {
    becomes(
      db
        .with('notes', (qc) => qc.selectFrom('notes').select('id'))
        .selectFrom('notes')
        .selectAll(),
      'with "notes" as (select "id" from "notes" where "notes"."tenant_id" = $1) select * from "notes"',
    )
    becomes(
      db
        .withRecursive('tree', (qc) =>
          qc
            .selectFrom('notes')
            .select('id')
            .union(
              qc
                .selectFrom('tree' as 'notes')
                .innerJoin('notes as n', 'n.owner', 'tree.id' as 'n.id')
                .select('n.id'),
            ),
        )
        .selectFrom('tree')
        .selectAll(),
      'with recursive "tree" as (select "id" from "notes" where "notes"."tenant_id" = $1 union select "n"."id" from "tree" inner join "notes" as "n" on ("n"."owner" = "tree"."id") and "n"."tenant_id" = $2) select * from "tree"',
    )
  })

  test('a query built outside every scope gets the tenant of where it runs; one built in another’s scope is refused', () => {
    isOutside = true
    const inner = db.selectFrom('tags').select('owner')
    const outer = db.selectFrom('notes').select('id').where('id', 'in', inner)
    isOutside = false
    const expected =
      'select "id" from "notes" where ("id" in (select "owner" from "tags" where "tags"."tenant_id" = $1)) and "notes"."tenant_id" = $2'
    becomes(outer, expected, ['T', 'T'])
    tenant = 'U'
    becomes(outer, expected, ['U', 'U'])
    const foreign = db.selectFrom('notes').select('id').where('id', 'in', db.selectFrom('tags').select('owner'))
    tenant = 'T'
    assert.throws(() => foreign.compile(), WrongTenantError)
  })
})

describe('the explicit tenant in writes:', () => {
  test('update and delete, with their further tables', () => {
    becomes(
      db.updateTable('notes').set({ title: 'x' }).where('id', '=', '1'),
      'update "notes" set "title" = $1 where ("id" = $2) and "notes"."tenant_id" = $3',
    )
    becomes(
      db.updateTable('notes as n').from('tags').set({ title: 'x' }).whereRef('tags.owner', '=', 'n.id'),
      'update "notes" as "n" set "title" = $1 from "tags" where (("tags"."owner" = "n"."id") and "n"."tenant_id" = $2) and "tags"."tenant_id" = $3',
    )
    becomes(db.deleteFrom('notes'), 'delete from "notes" where "notes"."tenant_id" = $1')
    becomes(
      db.deleteFrom('notes').using('tags').whereRef('tags.owner', '=', 'notes.id'),
      'delete from "notes" using "tags" where (("tags"."owner" = "notes"."id") and "notes"."tenant_id" = $1) and "tags"."tenant_id" = $2',
    )
  })

  test('inserts are filled in, with expressions and without', () => {
    const row = { id: '1', title: 'a', owner: 'o' }
    becomes(
      db.insertInto('notes').values([row, { ...row, id: '2' }]),
      'insert into "notes" ("id", "title", "owner", "tenant_id") values ($1, $2, $3, $4), ($5, $6, $7, $8)',
      ['1', 'a', 'o', 'T', '2', 'a', 'o', 'T'],
    )
    becomes(
      db.insertInto('notes').values({ ...row, title: sql`upper('a')` }),
      'insert into "notes" ("id", "title", "owner", "tenant_id") values ($1, upper(\'a\'), $2, $3)',
    )
    becomes(
      db.insertInto('notes').values({ ...row, tenant_id: 'T' }),
      'insert into "notes" ("id", "title", "owner", "tenant_id") values ($1, $2, $3, $4)',
    )
    becomes(db.insertInto('countries').values({ code: 'x' }), 'insert into "countries" ("code") values ($1)')
    becomes(
      db
        .insertInto('notes')
        .columns(['id', 'title', 'owner'])
        .expression(db.selectFrom('tags').select(['id', 'title', 'owner'])),
      'insert into "notes" ("id", "title", "owner") select "id", "title", "owner" from "tags" where "tags"."tenant_id" = $1',
    )
  })

  test('a tenant in the data that is not the tenant is refused, in every place and spelling', () => {
    const row = { id: '1', title: 'a', owner: 'o' }
    const bad = (values: object) => db.insertInto('notes').values(values as never)
    assert.throws(() => bad({ ...row, tenant_id: 'U' }).compile(), TenantColumnError)
    assert.throws(() => bad({ ...row, tenant_id: null }).compile(), TenantColumnError)
    assert.throws(() => bad({ ...row, Tenant_ID: 'U' }).compile(), TenantColumnError)
    assert.throws(() => bad({ ...row, tenant_id: sql`'U'` }).compile(), TenantColumnError)
    assert.throws(
      () =>
        db
          .insertInto('notes')
          .values([
            { ...row, tenant_id: 'T' },
            { ...row, tenant_id: 'U' },
          ])
          .compile(),
      TenantColumnError,
    )
    assert.throws(() => db.updateTable('notes').set({ tenant_id: 'T' }).compile(), TenantColumnError)
    assert.throws(
      () =>
        db
          .updateTable('notes')
          .set({ TENANT_ID: 'T' } as never)
          .compile(),
      TenantColumnError,
    )
    assert.throws(
      () =>
        db
          .insertInto('notes')
          .values(row)
          .onConflict((oc) => oc.column('id').doUpdateSet({ tenant_id: 'U' }))
          .compile(),
      TenantColumnError,
    )
    assert.throws(
      () =>
        db
          .with('moved', (qc) => qc.updateTable('notes').set({ tenant_id: 'U' }).returning('id'))
          .selectFrom('moved')
          .selectAll()
          .compile(),
      TenantColumnError,
    )
  })

  test('merge: the target and the source in ON, the inserted row filled in, the tenant never set', () => {
    const merge = db.mergeInto('notes as n').using('tags as t', 't.owner', 'n.id')
    becomes(
      merge.whenMatched().thenUpdateSet({ title: 'x' }).whenNotMatched().thenInsertValues({ id: '1', title: 'a', owner: 'o' }),
      'merge into "notes" as "n" using "tags" as "t" on (("t"."owner" = "n"."id") and "n"."tenant_id" = $1) and "t"."tenant_id" = $2 when matched then update set "title" = $3 when not matched then insert ("id", "title", "owner", "tenant_id") values ($4, $5, $6, $7)',
    )
    assert.throws(
      () =>
        merge
          .whenMatched()
          .thenUpdateSet({ tenant_id: 'U' } as never)
          .compile(),
      TenantColumnError,
    )
  })
})

describe('a table whose tenant column is a bigint:', () => {
  test('its predicate and its rows have the tenant’s key, those of other tables the uuid', () => {
    becomes(
      db.selectFrom('orders').innerJoin('notes', 'notes.owner', 'orders.id').select('orders.id'),
      'select "orders"."id" from "orders" inner join "notes" on ("notes"."owner" = "orders"."id") and "notes"."tenant_id" = $1 where "orders"."account_id" = $2',
      ['T', '7'],
    )
    becomes(
      db.insertInto('orders').values({ id: '1', owner: 'o' }),
      'insert into "orders" ("id", "owner", "account_id") values ($1, $2, $3)',
      ['1', 'o', '7'],
    )
  })

  test('data may say the key, as text or as a whole number; another spelling and another number are refused', () => {
    for (const account_id of ['7', 7, 7n]) {
      becomes(
        db.insertInto('orders').values({ account_id, id: '1', owner: 'o' }),
        'insert into "orders" ("account_id", "id", "owner") values ($1, $2, $3)',
      )
    }
    for (const account_id of ['07', '7.0', ' 7', 8, 8n, 7.5, '', 'T']) {
      assert.throws(() => db.insertInto('orders').values({ account_id, id: '1', owner: 'o' }).compile(), TenantColumnError)
    }
  })

  test('a tenant without a key is refused before anything is sent', () => {
    keys = {}
    try {
      assert.throws(() => db.selectFrom('orders').select('id').compile(), ConfigurationError)
      assert.throws(() => db.insertInto('orders').values({ id: '1', owner: 'o' }).compile(), ConfigurationError)
      becomes(db.selectFrom('notes').select('id'), 'select "id" from "notes" where "notes"."tenant_id" = $1')
    } finally {
      keys = { bigint: '7' }
    }
  })
})
