// The wall around tables that know their tenants by a bigint or a text of an application that existed before. The same plays for
// both types; each value is chosen so that a comparison that folds anything would open it.

import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { Generated } from 'kysely'
import type { GateState } from '../../src/core/placement-adapter.ts'
import type { Tenant, TenantKeys } from '../../src/core/tenant.ts'
import { bootFindings } from '../../src/postgres/boot-gate.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import type { TenantRepository } from '../../src/postgres/repository.ts'
import type { TenancyOptions } from '../../src/tenancy-options.ts'
import { type Stage, stage } from '../support/cast.ts'
import { capabilityOf, Eve } from '../support/eve.ts'
import { isolation, sharesTables } from '../support/isolation.ts'

type KeyType = 'bigint' | 'text'

const columns = { bigint: 'bigint', text: 'text collate "C"' } as const
/** Carol's text differs from bob's in a trailing space alone, her number in the last digit of what a double can tell. */
const keys = {
  bob: { bigint: '9007199254740992', text: 'Acme' },
  carol: { bigint: '9007199254740993', text: 'Acme ' },
  dave: { bigint: '9007199254740994', text: ' Acme' },
} as const
const rowsEach = 3

interface Row {
  account_id: Generated<string>
  id: string
  label: string
}
interface Schema {
  orders: Row
}

interface KeyStage extends Stage {
  as(slug: string, text: string, values?: readonly unknown[]): Promise<{ rowCount: number | null; rows: Record<string, unknown>[] }>
  setKeys(tenant: Tenant, its: TenantKeys): Promise<void>
  /** Rows of a tenant as they truly are, wherever they are. */
  truth(slug: 'bob' | 'carol'): Promise<string>
}

async function keyStage(t: TestContext, type: KeyType, options: Partial<TenancyOptions> = {}): Promise<KeyStage> {
  const here = await stage(t, options)
  const { tenancy, alice } = here
  const setKeys: KeyStage['setKeys'] = async (tenant, its) => {
    // Pooled, the gate has them in the same transaction. Elsewhere they are given at onboarding, in both places.
    if (sharesTables) {
      await tenancy.tenants.update(tenant.slug, { keys: its })
      return
    }
    const [now] = await here.aliceInCatalog<{ bigint: string | null; text: string | null }>(
      `update partywall.tenants as t
          set key_bigint = coalesce($2, t.key_bigint), key_text = coalesce($3, t.key_text)
        where t.id = $1
       returning key_bigint as bigint, key_text as text`,
      [tenant.id, its.bigint, its.text],
    )
    await here.aliceIn(tenant, 'select partywall.set_gate_keys($1, $2, $3)', [tenant.id, now?.bigint, now?.text])
    // This process knows it at once.
    await tenancy.tenants.update(tenant.slug, { name: tenant.name })
  }
  for (const slug of ['bob', 'carol', 'dave'] as const) await setKeys(here[slug], keys[slug])
  await here.migrate(`
    create table orders (account_id ${columns[type]} not null, id text not null, label text not null, primary key (account_id, id));
    select partywall.protect('orders', 'account_id')`)
  for (const slug of ['bob', 'carol'] as const) {
    for (let i = 1; i <= rowsEach; i++) {
      await here.aliceIn(here[slug], 'insert into orders (account_id, id, label) values ($1, $2, $3)', [
        keys[slug][type],
        `${i}`,
        `${slug}'s ${i}`,
      ])
    }
  }
  await tenancy.protectedTables()
  return {
    ...here,
    setKeys,
    as: async (slug, text, values = []) => await tenancy.run(slug, () => tenancy.query(text, values)),
    truth: async (slug) => {
      const rows = await alice<{ print: string }>(
        `select coalesce(string_agg(o::text, ',' order by o.id), '') as print from orders as o where o.account_id = $1`,
        [keys[slug][type]],
      )
      return rows.map(({ print }) => print).join('')
    },
  }
}

for (const type of ['bigint', 'text'] as const) {
  describe(`a table whose tenant column is ${type}:`, () => {
    test('each tenant reads its own rows and nobody else’s, whatever it asks for', async (t) => {
      const here = await keyStage(t, type)
      assert.equal((await here.alice('select from orders')).length, 2 * rowsEach)
      for (const [slug, other] of [
        ['bob', 'carol'],
        ['carol', 'bob'],
      ] as const) {
        const { rows } = await here.as(slug, 'select account_id, label from orders')
        assert.equal(rows.length, rowsEach)
        assert.ok(rows.every((row) => row['account_id'] === keys[slug][type] && String(row['label']).startsWith(slug)))
        assert.equal((await here.as(slug, 'select from orders where account_id = $1', [keys[other][type]])).rowCount, 0)
        assert.equal((await here.as(slug, 'select from orders where account_id = $1', [keys[slug][type]])).rowCount, rowsEach)
      }
    })

    test('a row is its writer’s by default and cannot be anybody else’s', async (t) => {
      const here = await keyStage(t, type)
      const truth = await here.truth('carol')
      await here.as('bob', `insert into orders (id, label) values ('unsaid', 'x')`)
      await here.as('bob', `insert into orders (account_id, id, label) values ($1, 'said', 'x')`, [keys.bob[type]])
      for (const stranger of [keys.carol[type], null]) {
        await assert.rejects(here.as('bob', `insert into orders (account_id, id, label) values ($1, 'x', 'x')`, [stranger]), {
          code: 'PW_POLICY_VIOLATION',
        })
      }
      await assert.rejects(here.as('bob', 'update orders set account_id = $1', [keys.carol[type]]), { code: 'PW_POLICY_VIOLATION' })
      assert.equal((await here.as('bob', `update orders set label = 'blind'`)).rowCount, rowsEach + 2)
      assert.equal((await here.as('bob', 'delete from orders')).rowCount, rowsEach + 2)
      assert.equal(await here.truth('carol'), truth)
      assert.equal(await here.truth('bob'), '')
    })

    test('without a tenant there is an error, not a row; eve finds nothing by any spelling of a key', async (t) => {
      const here = await keyStage(t, type)
      await assert.rejects(here.tenancy.query('select from orders'), { code: 'PW_NO_TENANT' })
      const eve = await Eve.enter(here, t)
      assert.equal((await eve.attack(['select label from orders'])).code, 'PW001')
      assert.equal((await eve.attack([`insert into orders (id, label) values ('e', 'e')`])).code, 'PW001')
      const capability = await capabilityOf(here, 'bob')
      const truth = await here.truth('carol')
      for (const statements of [
        ['select label from orders'],
        [`select label from orders where account_id = '${keys.carol[type]}'`],
        [`select label from orders where account_id::text like 'A%' or account_id::text like '9%' or true`],
        [`update orders set label = 'taken' where true`],
        ['select max(label) from orders'],
        [`delete from orders where account_id = '${keys.carol[type]}'`],
      ]) {
        assert.doesNotMatch((await eve.attack(statements, capability)).text, /carol/)
        assert.equal(await here.truth('carol'), truth)
      }
      for (const relation of ['gates', 'capabilities', 'tenants']) {
        const refused = relation === 'tenants' && !sharesTables ? '42P01' : '42501'
        assert.equal((await eve.attack([`select key_${type} from partywall.${relation}`], capability)).code, refused)
      }
      const call = `select partywall.set_gate_keys('${here.bob.id}', 1, 'x')`
      assert.equal((await eve.attack([call], capability)).code, '42501')
      const shown = await eve.attack([`select tenant_id from partywall.bound_${type}`, `select partywall.tenant_${type}()`], capability)
      assert.ok(shown.text.includes(JSON.stringify(keys.bob[type])) && !shown.text.includes(JSON.stringify(keys.carol[type])))
    })

    test('a prepared statement serves two tenants in turn, past the sixth execution, on one connection', async (t) => {
      const here = await keyStage(t, type, { pool: { connectionsMax: 1 } })
      for (let turn = 0; turn < 14; turn++) {
        const slug = turn % 2 === 0 ? 'bob' : 'carol'
        const { rows } = await here.as(slug, 'select label from orders where id = any ($1)', [['1', '2', '3']])
        assert.deepEqual(
          rows.map((row) => String(row['label']).split("'")[0]),
          Array(rowsEach).fill(slug),
        )
      }
    })

    test('Kysely and the repository say the tenant in the column’s type', async (t) => {
      const here = await keyStage(t, type)
      const { tenancy } = here
      const truth = await here.truth('carol')
      await tenancy.run('bob', async () => {
        const db = tenancy.db<Schema>()
        const compiled = db.selectFrom('orders').select('label').compile()
        assert.deepEqual(compiled.parameters, [keys.bob[type]])
        assert.equal((await db.selectFrom('orders').selectAll().execute()).length, rowsEach)
        await db.insertInto('orders').values({ id: 'k', label: 'kysely' }).execute()
        await assert.rejects(
          async () => await db.insertInto('orders').values({ account_id: keys.carol[type], id: 'k2', label: 'x' }).execute(),
          { code: 'PW_TENANT_COLUMN' },
        )
        const orders: TenantRepository<{ id: string; label: string }> = tenancy.repository('orders', { tenantColumn: 'account_id' })
        assert.equal(await orders.count(), rowsEach + 1)
        assert.equal((await orders.getById('k')).label, 'kysely')
        await orders.create({ id: 'r', label: 'repository' })
        assert.equal((await orders.update('1', { label: 'changed' })).label, 'changed')
        await orders.delete('2')
        await assert.rejects(orders.findAll({ where: { account_id: keys.carol[type] } as never }), { code: 'PW_TENANT_COLUMN' })
      })
      assert.equal(await here.truth('carol'), truth)
      assert.match(await here.truth('bob'), /changed.*kysely.*repository/)
    })

    test('a tenant without a key is refused, in reads and writes, everywhere; once it has one it is let in at once', async (t) => {
      const here = await keyStage(t, type)
      const { tenancy } = here
      if (isolation === 'schema') {
        // A schema takes one tenant's rows alone: without a key it takes no table that knows tenants by it.
        await assert.rejects(here.join({ slug: 'nina', name: 'Nina' }), { code: 'PW010', message: new RegExp(`no key of type ${type}`) })
        return
      }
      const nina = await here.join({ slug: 'nina', name: 'Nina' })
      // Before: its capability is issued without a key.
      assert.equal((await here.as('nina', 'select from notes')).rowCount, 0)
      const refused = { code: 'PW_CONFIGURATION', message: new RegExp(`keys: \\{ ${type}:`) }
      for (const text of [
        'select from orders',
        `insert into orders (id, label) values ('n', 'n')`,
        `insert into orders (account_id, id, label) values ('7', 'n', 'n')`,
        `update orders set label = 'n'`,
        'delete from orders',
      ]) {
        await assert.rejects(here.as('nina', text), refused)
      }
      await assert.rejects(
        tenancy.run('nina', async () => await tenancy.db<Schema>().selectFrom('orders').selectAll().execute()),
        refused,
      )
      await assert.rejects(
        tenancy.run('nina', async () => await tenancy.repository<Row>('orders', { tenantColumn: 'account_id' }).count()),
        refused,
      )
      const ninas = await Eve.enter(here, t, { of: nina })
      const capability = await capabilityOf(here, 'nina')
      for (const source of ['orders', `partywall.bound_${type}`, `partywall.bound_${type}_for_writing`, `partywall.tenant_${type}()`]) {
        assert.equal((await ninas.attack([`select * from ${source}`], capability)).code, 'PW008', source)
      }
      // A key of the other type is none.
      const other = type === 'bigint' ? ({ text: 'nina' } as const) : ({ bigint: '77' } as const)
      await here.setKeys(nina, other)
      await assert.rejects(here.as('nina', 'select from orders'), refused)
      await here.setKeys(nina, type === 'bigint' ? { bigint: '77' } : { text: 'nina' })
      assert.equal((await here.as('nina', 'select from orders')).rowCount, 0)
      await here.as('nina', `insert into orders (id, label) values ('n', 'nina''s')`)
      assert.equal((await here.as('nina', 'select from orders')).rowCount, 1)
      assert.equal((await here.as('bob', 'select from orders')).rowCount, rowsEach)
    })

    test('gates hold as for the uuid: suspended, read-only, moving, fenced', async (t) => {
      const here = await keyStage(t, type)
      const gate = async (state: GateState) => await here.setGate(here.bob, state)
      const write = `update orders set label = 'w' where id = '1'`
      await gate('moving')
      assert.equal((await here.as('bob', write)).rowCount, 1)
      await here.as('bob', `insert into orders (id, label) values ('m', 'm')`)
      await gate('read_only')
      await assert.rejects(here.as('bob', write), { code: 'PW_TENANT_READ_ONLY' })
      assert.equal((await here.as('bob', 'select from orders')).rowCount, rowsEach + 1)
      await gate('fenced')
      await assert.rejects(here.as('bob', write), { code: 'PW_TENANT_MOVING' })
      const eve = await Eve.enter(here, t)
      await gate('open')
      const capability = await capabilityOf(here, 'bob')
      await gate('suspended')
      assert.equal((await eve.attack(['select from orders'], capability)).code, 'PW004')
    })

    test('the boot gate knows the views, and finds a policy that reads another', async (t) => {
      const here = await keyStage(t, type)
      const { database, login, alice: superuser } = here.placeOf(here.bob)
      // What is in a tenant's own schema the gatekeeper may not even name, and a database of its own it does not enter.
      const gatekeeper = sharesTables
        ? new ControlPool({ connectionString: database.urls.gatekeeper, applicationName: 'test' })
        : database.superuser
      if (sharesTables) t.after(() => gatekeeper.close())
      assert.deepEqual(await bootFindings(gatekeeper, login), [])
      assert.deepEqual(
        (await here.tenancy.protectedTables()).map(({ table, tenantColumn, tenantType }) => [table, tenantColumn, tenantType]),
        [
          ['folders', 'tenant_id', 'uuid'],
          ['notes', 'tenant_id', 'uuid'],
          ['orders', 'account_id', type],
        ],
      )
      await superuser.query(
        `alter policy partywall_wall_update on orders using (account_id = (select b.tenant_id from partywall.bound_${type} as b))`,
      )
      const [finding] = await bootFindings(gatekeeper, login)
      assert.equal(finding?.rule, 'policy')
      await superuser.query(`set role partywall_owner; ${finding?.fix} reset role`)
      await superuser.query(`grant update on partywall.bound_${type} to ${login}`)
      assert.equal((await bootFindings(gatekeeper, login))[0]?.rule, 'control_plane')
      await superuser.query(`revoke update on partywall.bound_${type} from ${login}`)
      assert.deepEqual(await bootFindings(gatekeeper, login), [])
    })
  })
}

test('spellings of one key that are not the same bytes are tenants of their own', async (t) => {
  const here = await keyStage(t, 'text')
  const spellings = ['acme', 'ACME', 'Acme  ', '  Acme', '01', '1', '1.0', 'é', 'e\u0301', 'ﬁ', 'fi']
  for (const [index, text] of spellings.entries()) {
    await here.join({ slug: `s${index}`, name: text, keys: { text } })
    await here.as(`s${index}`, `insert into orders (id, label) values ('1', $1)`, [text])
  }
  for (const [index, text] of spellings.entries()) {
    assert.deepEqual((await here.as(`s${index}`, 'select label from orders')).rows, [{ label: text }])
    assert.deepEqual((await here.as(`s${index}`, 'select from orders where account_id <> $1', [text])).rowCount, 0)
  }
  assert.equal((await here.as('bob', 'select from orders')).rowCount, rowsEach)
})

test('a key is set once in SQL too, goes to capabilities that are out, and stays one tenant’s', async (t) => {
  const here = await keyStage(t, 'bigint')
  const { bob, carol } = here
  const nina = await here.tenancy.tenants.create({ slug: 'nina', name: 'Nina' })
  const alice = here.aliceInCatalog
  for (const change of ['key_bigint = 1', 'key_bigint = null', `key_text = 'x'`]) {
    await assert.rejects(alice(`update partywall.tenants set ${change} where id = $1`, [bob.id]), { code: '23514' })
  }
  await assert.rejects(alice('update partywall.tenants set key_bigint = $2 where id = $1', [nina.id, keys.bob.bigint]), {
    code: '23505',
  })
  await assert.rejects(alice('select partywall.set_gate_keys($1, $2, $3)', [nina.id, keys.carol.bigint, null]), { code: '23505' })
  const copies = await alice<{ same: boolean }>(
    `select c.key_bigint is not distinct from g.key_bigint and c.key_text is not distinct from g.key_text as same
       from partywall.capabilities as c join partywall.gates as g using (tenant_id) where g.tenant_id in ($1, $2)`,
    [bob.id, carol.id],
  )
  assert.ok(copies.every(({ same }) => same))
})
