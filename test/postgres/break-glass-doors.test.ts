// The doors that need no SQL, and those to a copy of it: a grant for reading writes through none of them, and each ends with the grant.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entriesOf } from '../../src/core/audit-batch.ts'
import { BreakGlassRefusedError, NoTenantError } from '../../src/errors.ts'
import { type Emergency, emergency, operator } from '../support/break-glass.ts'
import { rowsPerTenant } from '../support/cast.ts'

interface Note {
  readonly id: string
  readonly title: string
  readonly body: string
}

const isWriteRefusal = (error: { readonly code?: string }): boolean => error.code === '25006'

/** Rows of bob that are not as they were, by alice's count. */
async function changedOf({ aliceIn, bob }: Emergency): Promise<number> {
  const all = await aliceIn<{ body: string }>(bob, 'select n.body from notes as n where n.tenant_id = $1', [bob.id])
  return Math.abs(all.length - rowsPerTenant) + all.filter(({ body }) => body !== 'secret of bob').length
}

test('a repository reads by a grant for reading, and each of its writes is refused by the database, in a transaction too', async (t) => {
  const set = await emergency(t)
  const { tenancy } = set
  const { id } = await set.granted()
  // One that the application made before, and knows the shape of its table.
  const notes = tenancy.repository<Note>('notes')
  await tenancy.run('bob', () => notes.count())
  await tenancy.breakGlass(id, set.ada, async () => {
    for (const door of [notes, tenancy.repository<Note>('notes')]) {
      const { rows } = await door.findAll()
      assert.equal(rows.length, rowsPerTenant)
      assert.equal(await door.count(), rowsPerTenant)
      const [{ id: key }] = rows as [Note]
      assert.equal((await door.getById(key)).id, key)
      assert.equal(await door.exists({ id: key }), true)
      const many = Array.from({ length: 150 }, (_, index) => ({ title: `new ${index}` }))
      const writes: readonly ((on: typeof door) => Promise<unknown>)[] = [
        (on) => on.create({ title: 'new' }),
        (on) => on.createMany([{ title: 'new' }]),
        (on) => on.createMany(many),
        (on) => on.update(key, { body: 'changed' }),
        (on) => on.delete(key),
        (on) => on.query(`update notes set body = 'changed'`),
      ]
      for (const write of writes) {
        await assert.rejects(write(door), isWriteRefusal, String(write))
        await assert.rejects(
          tenancy.transaction((tx) => write(door.in(tx))),
          isWriteRefusal,
          String(write),
        )
      }
    }
  })
  assert.equal(await changedOf(set), 0)
})

test('a grant for writing writes through a repository, and through no replica', async (t) => {
  const set = await emergency(t)
  const { tenancy } = set
  const { id } = await set.granted({ scope: 'read_write' })
  await tenancy.breakGlass(id, set.ada, async () => {
    const notes = tenancy.repository<Note>('notes')
    const [{ id: key }] = (await notes.findAll({ limit: 1 })).rows as [Note]
    assert.equal((await notes.update(key, { body: 'mended' })).body, 'mended')
    await assert.rejects(tenancy.replica().query(`update notes set body = 'changed'`), isWriteRefusal)
    await assert.rejects(
      tenancy.replica().transaction((tx) => tx.query(`update notes set body = 'changed'`)),
      isWriteRefusal,
    )
  })
  assert.equal(await changedOf(set), 1)
})

test('the door to replicas reads by a grant, and writes by none', async (t) => {
  const set = await emergency(t)
  const { tenancy } = set
  const { id } = await set.granted()
  await tenancy.breakGlass(id, set.ada, async () => {
    const { rows } = await tenancy.replica().query<{ tenant_id: string }>('select tenant_id from notes')
    assert.deepEqual(rows, Array(rowsPerTenant).fill({ tenant_id: set.bob.id }))
    for (const text of [
      `update notes set body = 'changed'`,
      'delete from notes',
      `with w as (update notes set body = 'changed' returning id) select count(*) from w`,
      'select id from notes for update',
    ]) {
      await assert.rejects(tenancy.replica().query(text), isWriteRefusal, text)
      await assert.rejects(
        tenancy.replica().transaction((tx) => tx.query(text)),
        isWriteRefusal,
        text,
      )
    }
  })
  assert.equal(await changedOf(set), 0)
})

test('a repository and a handle that are kept are worth nothing after the use; the application’s own go on', async (t) => {
  const set = await emergency(t)
  const { tenancy } = set
  const { id } = await set.granted()
  const kept = await tenancy.breakGlass(id, set.ada, async () => {
    const notes = tenancy.repository<Note>('notes')
    const replica = tenancy.replica()
    assert.equal(await notes.count(), rowsPerTenant)
    assert.equal((await replica.query('select id from notes')).rows.length, rowsPerTenant)
    return { notes, replica }
  })
  await assert.rejects(kept.notes.count(), NoTenantError)
  await assert.rejects(kept.replica.query('select id from notes'))
  await assert.rejects(kept.replica.transaction((tx) => tx.query('select id from notes')))
  await assert.rejects(kept.replica.stream('select id from notes').next())
  // In somebody's context the repository is theirs, and the handle is still nobody's.
  await tenancy.run('carol', async () => {
    const { rows } = await kept.notes.query<{ tenant_id: string }>('select tenant_id from notes')
    assert.deepEqual(new Set(rows.map(({ tenant_id }) => tenant_id)), new Set([set.carol.id]))
    await assert.rejects(kept.replica.query('select id from notes'))
  })
  await tenancy.run('bob', async () => {
    assert.equal(await kept.notes.count(), rowsPerTenant)
    await assert.rejects(kept.replica.query('select id from notes'), BreakGlassRefusedError)
  })
})

test('a stream that the end of its grant has refused is in the log as refused, and holds up no closing', async (t) => {
  const set = await emergency(t)
  await set.migrate('select partywall.create_audit_log()')
  const { id } = await set.granted()
  await set.tenancy.breakGlass(id, set.ada, async () => {
    await set.breakGlass.revoke(id, operator)
    await assert.rejects(set.tenancy.stream('select n.id from notes as n').next(), BreakGlassRefusedError)
  })
  const began = performance.now()
  await set.tenancy.close()
  const tookMs = performance.now() - began
  assert.ok(tookMs < 5_000, `${Math.round(tookMs)} ms`)
  const rows = await set.aliceIn<{ payload: string }>(
    set.bob,
    'select a.payload::text as payload from audit_log as a where a.tenant_id = $1 order by a.position',
    [set.bob.id],
  )
  const told = rows.flatMap(({ payload }) => entriesOf(1n, payload)).filter(({ tables }) => tables?.includes('notes') === true)
  assert.deepEqual(
    told.map(({ outcome }) => outcome),
    ['begun', 'refused'],
  )
})

const ends: Readonly<Record<string, (set: Emergency, id: string) => Promise<unknown>>> = {
  'is revoked': async (set, id) => await set.breakGlass.revoke(id, operator),
  'is given back': async (set, id) => await set.breakGlass.end(id, set.ada),
  'has expired': async ({ world }) => {
    world.aheadMs = 30 * 60_000 + 1
  },
}

for (const [how, end] of Object.entries(ends)) {
  test(`once the grant ${how}, repository and replica are refused in the middle of its use, also in a transaction that is open`, async (t) => {
    const set = await emergency(t)
    const { tenancy } = set
    const { id } = await set.granted()
    await tenancy.breakGlass(id, set.ada, async () => {
      const notes = tenancy.repository<Note>('notes')
      const replica = tenancy.replica()
      assert.equal(await notes.count(), rowsPerTenant)
      await replica.query('select id from notes')
      const inside = tenancy.transaction(async (tx) => {
        assert.equal(await notes.in(tx).count(), rowsPerTenant)
        await end(set, id)
        await notes.in(tx).count()
      })
      await assert.rejects(inside, BreakGlassRefusedError)
      await assert.rejects(notes.count(), BreakGlassRefusedError)
      await assert.rejects(notes.findAll(), BreakGlassRefusedError)
      await assert.rejects(replica.query('select id from notes'), BreakGlassRefusedError)
      await assert.rejects(tenancy.replica().stream('select id from notes').next(), BreakGlassRefusedError)
      await assert.rejects(
        replica.transaction((tx) => tx.query('select id from notes')),
        BreakGlassRefusedError,
      )
    })
  })
}
