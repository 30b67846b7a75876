import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createTenantContext, type TenantContext } from '../../src/core/tenant-context.ts'
import { InvalidInputError } from '../../src/errors.ts'
import type { TenantRepository } from '../../src/postgres/repository.ts'
import { type Stage, stage } from '../support/cast.ts'
import { type Thing, thingsOn } from '../support/things.ts'

describe('pages of a repository:', () => {
  let scene: Stage
  let repository: TenantRepository<Thing>
  let bob: TenantContext
  let carol: TenantContext
  const as = <T>(context: TenantContext, fn: () => Promise<T>) => scene.tenancy.scope.run(context, fn)
  const asBob = <T>(fn: () => Promise<T>) => as(bob, fn)

  before(async () => {
    scene = await stage()
    repository = await thingsOn(scene)
    bob = createTenantContext({ tenant: scene.bob })
    carol = createTenantContext({ tenant: scene.carol })
  })
  after(() => scene.tenancy.close())

  test('pages by keyset: every row once, in order, also over ties and in mixed directions', async () => {
    const orders = [
      [],
      [{ column: 'made_at' }],
      [{ column: 'made_at', direction: 'desc' }],
      [
        { column: 'made_at', direction: 'desc' },
        { column: 'name', direction: 'asc' },
      ],
      [
        { column: 'made_at', direction: 'asc' },
        { column: 'id', direction: 'desc' },
      ],
    ] as const
    await asBob(async () => {
      for (const orderBy of orders) {
        const whole = (await repository.findAll({ orderBy, limit: 1000 })).rows.map((row) => row.id)
        const paged: string[] = []
        let after: string | undefined
        do {
          const page = await repository.findAll({ orderBy, limit: 7, after })
          assert.ok(page.rows.length > 0)
          paged.push(...page.rows.map((row) => row.id))
          after = page.nextCursor
        } while (after !== undefined)
        assert.deepEqual(paged, whole)
        assert.equal(paged.length, 30)
        const second = await repository.findAll({ orderBy, limit: 7, offset: 7 })
        assert.deepEqual(
          second.rows.map((row) => row.id),
          whole.slice(7, 14),
        )
      }
      const exact = await repository.findAll({ limit: 30 })
      assert.equal(exact.nextCursor, undefined)
    })
  })

  test('a cursor is good for its tenant, table, order and spelling alone', async () => {
    const orderBy = [{ column: 'made_at' }] as const
    const { nextCursor } = await asBob(() => repository.findAll({ orderBy, limit: 5 }))
    const cursor = nextCursor!
    const folders = scene.tenancy.repository<{ id: string; made_at: Date }>('notes')
    await assert.rejects(
      as(carol, () => repository.findAll({ orderBy, after: cursor })),
      InvalidInputError,
    )
    await asBob(async () => {
      await assert.rejects(repository.findAll({ after: cursor }), InvalidInputError)
      await assert.rejects(repository.findAll({ orderBy: [{ column: 'made_at', direction: 'desc' }], after: cursor }), InvalidInputError)
      await assert.rejects(folders.findAll({ after: cursor }), InvalidInputError)
      const last = cursor.at(-1)!
      for (const bad of [
        '',
        'x',
        `${cursor}=`,
        ` ${cursor}`,
        `${cursor}\n`,
        cursor.slice(1),
        cursor.slice(0, -1) + (last === 'A' ? 'B' : 'A'),
        cursor.toUpperCase(),
        'A'.repeat(5000),
        5,
        {},
        ['x'],
        null,
      ]) {
        await assert.rejects(repository.findAll({ orderBy, after: bad as never }), InvalidInputError, String(bad).slice(0, 50))
      }
      assert.equal((await repository.findAll({ orderBy, after: cursor, limit: 1000 })).rows.length, 25)
      await assert.rejects(repository.findAll({ orderBy, after: cursor, offset: 1 }), InvalidInputError)
      const nullable = [{ column: 'size' }] as const
      assert.equal((await repository.findAll({ orderBy: nullable, limit: 5 })).nextCursor, undefined)
      await assert.rejects(repository.findAll({ orderBy: nullable, after: cursor }), InvalidInputError)
    })
  })

  test('limits are bounded', async () => {
    await asBob(async () => {
      for (const limit of [0, -1, 1.5, 1001, Number.NaN, Number.POSITIVE_INFINITY, '10', null]) {
        await assert.rejects(repository.findAll({ limit: limit as number }), InvalidInputError)
      }
      for (const offset of [-1, 0.5, 10_001, '1']) await assert.rejects(repository.findAll({ offset: offset as number }), InvalidInputError)
      for (const orderBy of [
        {},
        'name',
        [{}],
        [{ column: 'nope' }],
        [{ column: 'name', direction: 'down' }],
        [null],
        Array(11).fill({ column: 'name' }),
      ]) {
        await assert.rejects(repository.findAll({ orderBy: orderBy as never }), InvalidInputError)
      }
      for (const select of [[], 'name', ['nope'], ['*'], ['name, secret']]) {
        await assert.rejects(repository.findAll({ select: select as never }), InvalidInputError)
      }
      assert.equal((await repository.findAll({ limit: 1000 })).rows.length, 30)
    })
  })
})
