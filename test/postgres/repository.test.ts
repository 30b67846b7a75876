import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import type { Filter } from '../../src/core/filter.ts'
import { createTenantContext, type TenantContext } from '../../src/core/tenant-context.ts'
import {
  ConfigurationError,
  ConstraintError,
  InvalidInputError,
  NoTenantError,
  PolicyViolationError,
  RowNotFoundError,
  TenantColumnError,
  TenantSuspendedError,
  TransactionClosedError,
  WrongTenantError,
} from '../../src/errors.ts'
import type { TenantRepository } from '../../src/postgres/repository.ts'
import { type Stage, stage } from '../support/cast.ts'
import { type Thing, thingsOn } from '../support/things.ts'

describe('a repository:', () => {
  let scene: Stage
  let repository: TenantRepository<Thing>
  let bob: TenantContext
  let carol: TenantContext
  const as = <T>(context: TenantContext, fn: () => Promise<T>) => scene.tenancy.scope.run(context, fn)
  const asBob = <T>(fn: () => Promise<T>) => as(bob, fn)
  const idsOf = async (context: TenantContext) =>
    new Set((await scene.alice<{ id: string }>('select id from things where tenant_id = $1', [context.tenant.id])).map((row) => row.id))
  const loose = () => repository as unknown as TenantRepository<Record<string, unknown>>

  before(async () => {
    scene = await stage()
    repository = await thingsOn(scene)
    bob = createTenantContext({ tenant: scene.bob })
    carol = createTenantContext({ tenant: scene.carol })
  })
  after(() => scene.tenancy.close())

  test('creates, finds, changes and deletes rows of the tenant', async () => {
    await asBob(async () => {
      const made = await repository.create({
        name: 'new',
        size: 3,
        data: [1, { a: null }],
        tags: ['x', 'y "z"'],
        bytes: Buffer.from([0, 1]),
        'odd "name"': 'ok',
      })
      assert.equal(made.size, 3)
      assert.deepEqual(made.data, [1, { a: null }])
      assert.deepEqual(made.tags, ['x', 'y "z"'])
      assert.deepEqual(made.bytes, Buffer.from([0, 1]))
      assert.equal('tenant_id' in made, false)
      assert.deepEqual(await repository.findById(made.id), made)
      assert.deepEqual(await repository.getById(made.id, { select: ['name'] }), { name: 'new' })
      const changed = await repository.update(made.id, { name: 'newer', size: null, data: 'text', bytes: undefined as never })
      assert.deepEqual({ ...changed, made_at: 0 }, { ...made, name: 'newer', size: null, data: 'text', double: null, made_at: 0 })
      assert.deepEqual(await scene.alice('select tenant_id from things where id = $1', [made.id]), [{ tenant_id: scene.bob.id }])
      await repository.delete(made.id)
      assert.equal(await repository.findById(made.id), undefined)
      assert.equal(await repository.exists({ id: made.id }), false)
    })
  })

  test('another tenant’s row is as absent as one that never was', async () => {
    const foreign = [...(await idsOf(carol))][0]!
    const before = await scene.alice('select * from things order by id')
    await asBob(async () => {
      for (const id of [foreign, '01900000-0000-7000-8000-000000000000']) {
        assert.equal(await repository.findById(id), undefined)
        await assert.rejects(repository.getById(id), RowNotFoundError)
        await assert.rejects(repository.update(id, { name: 'x' }), RowNotFoundError)
        await assert.rejects(repository.delete(id), RowNotFoundError)
        assert.equal(await repository.count({ id }), 0)
      }
    })
    assert.deepEqual(await scene.alice('select * from things order by id'), before)
  })

  test('each operator selects what it says', async () => {
    const names = async (where: Filter<Thing>) =>
      (await repository.findAll({ where, orderBy: [{ column: 'name' }], limit: 1000 })).rows.map((row) => Number(row.name.slice(4)))
    const all = Array.from({ length: 30 }, (_, i) => i)
    const sized = all.filter((i) => i % 5 !== 0)
    await asBob(async () => {
      assert.deepEqual(await names({ size: 7 }), [7])
      assert.deepEqual(await names({ size: { eq: 7 } }), [7])
      assert.deepEqual(
        await names({ size: { ne: 7 } }),
        all.filter((i) => i !== 7),
      )
      assert.deepEqual(await names({ size: { gt: 3, lte: 8 } }), [4, 6, 7, 8])
      assert.deepEqual(await names({ size: { gte: 3, lt: 7 } }), [3, 4, 6])
      assert.deepEqual(await names({ size: null }), [0, 5, 10, 15, 20, 25])
      assert.deepEqual(await names({ size: { ne: null } }), sized)
      assert.deepEqual(await names({ size: { isNull: true } }), [0, 5, 10, 15, 20, 25])
      assert.deepEqual(await names({ size: { in: [1, 2, 500] } }), [1, 2])
      assert.deepEqual(await names({ size: { in: [] } }), [])
      assert.deepEqual(
        await names({ size: { notIn: [1, 2] } }),
        all.filter((i) => i !== 1 && i !== 2),
      )
      assert.deepEqual(await names({ name: { like: '%_0' } }), [0, 10, 20])
      assert.deepEqual(
        await names({ name: { ilike: 'BOB 1%' } }),
        all.filter((i) => i >= 10 && i < 20),
      )
      assert.deepEqual(await names({ tags: { contains: ['n4'] } }), [4])
      assert.deepEqual(
        await names({ tags: { eq: [] } }),
        all.filter((i) => i % 2 === 1),
      )
      assert.deepEqual(await names({ data: { contains: { n: 3 } } }), [3])
      assert.deepEqual(await names({ or: [{ size: 1 }, { and: [{ size: { gt: 1 } }, { size: { lt: 4 } }] }] }), [1, 2, 3])
      assert.deepEqual(await names({ not: { size: { gt: 3 } } }), [0, 1, 2, 3, 5, 10, 15, 20, 25])
      assert.deepEqual(await names({ or: [] }), [])
      assert.equal((await names({ and: [] })).length, 30)
      assert.equal(await repository.count({ size: { gt: 3 } }), sized.filter((i) => i > 3).length)
      assert.equal(await repository.exists({ name: "'; drop table things; --" }), false)
    })
  })

  test('the tenant can be neither set nor changed nor filtered by data, however it is spelled', async () => {
    const spellings = [
      'tenant_id',
      'TENANT_ID',
      'Tenant_Id',
      '"tenant_id"',
      ' tenant_id',
      'tenant_id ',
      'tenantId',
      'tenant-id',
      'tenant_id\0',
      'ｔenant_id',
    ]
    await asBob(async () => {
      const [row] = (await repository.findAll({ limit: 1 })).rows
      for (const key of spellings) {
        for (const value of [scene.carol.id, scene.bob.id, null]) {
          await assert.rejects(loose().create({ name: 'x', [key]: value }), TenantColumnError, key)
          await assert.rejects(loose().createMany([{ name: 'x' }, { name: 'y', [key]: value }]), TenantColumnError, key)
          await assert.rejects(loose().update(row!.id, { [key]: value }), TenantColumnError, key)
        }
        await assert.rejects(loose().findAll({ where: { [key]: scene.carol.id } }), TenantColumnError, key)
        await assert.rejects(loose().findAll({ orderBy: [{ column: key }] }), TenantColumnError, key)
        await assert.rejects(loose().findAll({ select: [key] }), TenantColumnError, key)
      }
    })
  })

  test('unknown columns, operators, prototypes and values are refused, never ignored', async () => {
    const wheres: unknown[] = [
      { nope: 1 },
      JSON.parse('{"__proto__": {"size": 1}}'),
      JSON.parse('{"size": {"__proto__": 1}}'),
      { constructor: 1 },
      { toString: 1 },
      { 'size" = 1 or "size': 1 },
      { 'things.size': 1 },
      { size: { nope: 1 } },
      { size: { constructor: 1 } },
      { size: {} },
      { size: undefined },
      { size: { eq: undefined } },
      { size: { gt: null } },
      { size: { in: 'x' } },
      { size: { in: Array(1001).fill(1) } },
      { size: { in: [null] } },
      { size: { like: '%' } },
      { name: { like: 5 } },
      { name: { contains: 'x' } },
      { size: { isNull: 'yes' } },
      { size: [1] },
      { size: 'seven' },
      { size: 1e99 },
      { size: Number.NaN },
      { name: 'a\0b' },
      { name: Symbol('x') },
      { name: () => 'x' },
      { name: { toPostgres: () => 'x' } },
      { name: Object.create({ eq: 'x' }) },
      { made_at: new Date(Number.NaN) },
      { made_at: 'yesterday or so' },
      { id: 'not a uuid' },
      { data: { eq: 1n } },
      { and: {} },
      { or: [1] },
      { not: null },
      new Map([['size', 1]]),
      'size = 1',
      [],
      null,
      Array.from({ length: 11 }).reduce<object>((inner) => ({ not: inner }), { size: 1 }),
      { or: Array(201).fill({ size: 1 }) },
    ]
    await asBob(async () => {
      for (const where of wheres) {
        const label = String(
          Array.isArray(where)
            ? 'list'
            : where === null
              ? 'null'
              : typeof where === 'object'
                ? Object.keys(where).concat(Object.values(where).map((v) => typeof v))
                : where,
        )
        await assert.rejects(loose().findAll({ where: where as never }), InvalidInputError, label)
        await assert.rejects(loose().count(where as never), InvalidInputError, label)
      }
      for (const data of [
        { nope: 1 },
        JSON.parse('{"__proto__": 1}'),
        { constructor: 1 },
        { name: {} },
        { name: 'a', double: 3 },
        [],
        null,
        'x',
        { name: 'n', size: 'x' },
      ]) {
        await assert.rejects(loose().create(data as never), InvalidInputError, JSON.stringify(data))
      }
      const { rows } = await repository.findAll({ limit: 1 })
      await assert.rejects(repository.update(rows[0]!.id, {}), InvalidInputError)
      await assert.rejects(repository.update(rows[0]!.id, { id: rows[0]!.id }), InvalidInputError)
      for (const id of [undefined, null, {}, [], 'x', 5, '\0', { eq: 1 }]) await assert.rejects(repository.findById(id), InvalidInputError)
      await assert.rejects(repository.createMany('x' as never), InvalidInputError)
      await assert.rejects(repository.createMany(Array(10_001).fill({ name: 'x' })), InvalidInputError)
    })
    assert.equal((await idsOf(bob)).size, 30)
  })

  test('random filters never show another tenant’s row, and with their negation they show each of one’s own once', async () => {
    const own = { bob: await idsOf(bob), carol: await idsOf(carol) }
    const scalar = fc.oneof(fc.integer({ min: -5, max: 40 }), fc.constant(null))
    const leaf = fc.oneof(
      fc.record({
        size: fc.oneof(
          scalar,
          fc.record({ gt: fc.integer({ min: -5, max: 40 }) }),
          fc.record({ in: fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 5 }) }),
          fc.record({ notIn: fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 5 }) }),
          fc.record({ ne: scalar }),
        ),
      }),
      fc.record({
        name: fc.oneof(
          fc.string().filter((s) => !s.includes('\0')),
          fc.record({ ilike: fc.constantFrom('%', 'carol%', '%0%', 'bob_1%') }),
        ),
      }),
      fc.record({ data: fc.record({ contains: fc.oneof(fc.constant({}), fc.constant({ nested: { of: 'carol' } }), fc.jsonValue()) }) }),
      fc.record({ tags: fc.record({ contains: fc.array(fc.constantFrom('even', 'n2', 'n3'), { maxLength: 2 }) }) }),
      fc.record({ id: fc.record({ in: fc.subarray([...own.bob, ...own.carol], { maxLength: 6 }) }) }),
    )
    const { filter } = fc.letrec<{ filter: object }>((tie) => ({
      filter: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        leaf,
        fc.record({ and: fc.array(tie('filter'), { maxLength: 3 }) }),
        fc.record({ or: fc.array(tie('filter'), { maxLength: 3 }) }),
        fc.record({ not: tie('filter') }),
      ),
    }))
    await fc.assert(
      fc.asyncProperty(filter, fc.constantFrom<'bob' | 'carol'>('bob', 'carol'), async (where, name) => {
        const context = name === 'bob' ? bob : carol
        await as(context, async () => {
          const yes = await repository.findAll({ where: where as Filter<Thing>, select: ['id'], limit: 1000 })
          const no = await repository.findAll({ where: { not: where as Filter<Thing> }, select: ['id'], limit: 1000 })
          const ids = [...yes.rows, ...no.rows].map((row) => row.id)
          assert.deepEqual(new Set(ids), own[name])
          assert.equal(ids.length, own[name].size)
        })
      }),
      { numRuns: 150 },
    )
  })

  test('createMany makes all or none, in pieces, and fills what a row leaves out', async () => {
    await asBob(async () => {
      const rows = Array.from({ length: 250 }, (_, i) =>
        i % 2 === 0 ? { name: `many ${i}` } : { name: `many ${i}`, size: i, tags: ['m'] },
      )
      const made = await repository.createMany(rows)
      assert.deepEqual(
        made.map((row) => row.name),
        rows.map((row) => row.name),
      )
      assert.deepEqual([made[0]!.size, made[1]!.size, made[0]!.tags], [null, 1, []])
      await assert.rejects(
        repository.createMany([...rows.map((row) => ({ ...row, name: `${row.name}!` })), { name: 'many 1' }]),
        ConstraintError,
      )
      assert.equal(await repository.count({ name: { like: 'many%' } }), 250)
      await repository.query("delete from things where name like 'many%'")
      assert.deepEqual(await repository.createMany([]), [])
    })
    assert.equal((await idsOf(carol)).size, 30)
  })

  test('a broken constraint is named to the developer and not to the outsider', async () => {
    await asBob(async () => {
      const attempts: [() => Promise<unknown>, string | undefined][] = [
        [() => repository.create({ name: 'bob 01' }), 'things_name_key'],
        [() => repository.create({ name: 'big', size: 1_000_000 }), 'things_size_check'],
        [() => repository.create({ size: 1 }), undefined],
        [
          () => scene.tenancy.repository<{ folder_id: string; title: string }>('notes').create({ folder_id: scene.carol.id, title: 'x' }),
          'notes_folder_fkey',
        ],
      ]
      for (const [attempt, constraint] of attempts) {
        await assert.rejects(attempt(), (error) => {
          assert.ok(error instanceof ConstraintError)
          assert.equal(error.details['constraint'], constraint)
          assert.doesNotMatch(error.publicMessage, /things|notes|name|size/)
          return true
        })
      }
    })
    // What bob holds is no conflict for carol.
    await as(carol, async () => repository.delete((await repository.create({ name: 'bob 01' })).id))
  })

  test('queries of one’s own stay inside the wall', async () => {
    await asBob(async () => {
      const { rows } = await repository.query<{ n: number }>('select count(*)::int as n from things')
      assert.deepEqual(rows, [{ n: 30 }])
      const all = await repository.query<{ n: number }>('select count(*)::int as n from things where tenant_id = $1', [scene.carol.id])
      assert.deepEqual(all.rows, [{ n: 0 }])
      const insert = repository.query("insert into things (tenant_id, name) values ($1, 'x')", [scene.carol.id])
      await assert.rejects(insert, PolicyViolationError)
    })
  })

  test('inside a transaction it sees and undoes what the transaction does', async () => {
    await asBob(async () => {
      let kept: TenantRepository<Thing> | undefined
      await assert.rejects(
        scene.tenancy.transaction(async (tx) => {
          const inside = repository.in(tx)
          kept = inside
          await inside.create({ name: 'inside' })
          assert.equal(await inside.exists({ name: 'inside' }), true)
          assert.equal(await repository.exists({ name: 'inside' }), false)
          await assert.rejects(
            tx.savepoint(() => inside.create({ name: 'inside' })),
            ConstraintError,
          )
          assert.equal(await inside.count(), 31)
          throw new TypeError('undo')
        }),
        TypeError,
      )
      assert.equal(await repository.exists({ name: 'inside' }), false)
      await assert.rejects(kept!.count(), TransactionClosedError)
    })
  })

  test('a transaction carried into another tenant’s scope is refused', async () => {
    await asBob(() =>
      scene.tenancy.transaction(async (tx) => {
        const inside = repository.in(tx)
        const { scope } = scene.tenancy
        await scene.tenancy.acrossTenants({ reason: 'The test plays a lost context.' }, async () => {
          await assert.rejects(
            scope.run(carol, () => inside.count()),
            WrongTenantError,
          )
        })
      }),
    )
  })

  test('without a tenant nothing runs; a suspended one gets nothing', async () => {
    await assert.rejects(repository.findAll(), NoTenantError)
    await assert.rejects(repository.create({ name: 'x' }), NoTenantError)
    const dave = createTenantContext({ tenant: { ...scene.dave, status: 'active' } })
    await assert.rejects(
      as(dave, () => repository.findAll()),
      TenantSuspendedError,
    )
  })

  test('a table that is not the app’s, not there, or not a tenant’s is refused', async () => {
    await asBob(async () => {
      for (const table of ['nope', 'partywall.gates', 'a.b.c', '', 'x"; drop table things; --', 'things\0', 'countries']) {
        await assert.rejects(scene.tenancy.repository(table).findAll(), ConfigurationError, table)
      }
      const pairs = scene.tenancy.repository<{ a: number; b: number }>('pairs')
      await pairs.create({ a: 1, b: 2 })
      assert.deepEqual((await pairs.findAll()).rows, [{ a: 1, b: 2 }])
      await assert.rejects(pairs.findById(1), ConfigurationError)
    })
  })
})
