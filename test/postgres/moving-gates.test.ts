// The gate of a tenant that moves: who holds it while writing, who is still let in, and who comes too late. The wall itself, by its SQL.

import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { SerializationError, TenantMovingError } from '../../src/errors.ts'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import { type Stage, stage } from '../support/cast.ts'
import { HandMover } from '../support/hand-mover.ts'

/** A tenancy that waits for nobody: what the database says is what the caller hears. */
async function moving(t: TestContext): Promise<Stage & { readonly mover: HandMover; readonly impatient: Tenancy }> {
  const here = await stage(t)
  const mover = await HandMover.start(t, here, here.bob)
  const impatient = await createTenancy({ ...here.access, movingWaitMs: 0 })
  t.after(() => impatient.close())
  return { ...here, mover, impatient }
}

const asBob = <T>(tenancy: Tenancy, fn: () => Promise<T>): Promise<T> => tenancy.run('bob', fn)
const write = (what: string): string => `insert into visits (what) values ('${what}')`

/** Until the one that closes the gate waits for somebody. @returns false when it did not wait. */
async function isKeptWaiting(here: Stage, closed: Promise<unknown>): Promise<boolean> {
  let isClosed = false
  void closed.finally(() => {
    isClosed = true
  })
  const waits = `select from pg_stat_activity where datname = current_database() and query like '%close_gate%' and wait_event_type = 'Lock'`
  while (!isClosed) if ((await here.aliceIn(here.bob, waits)).length > 0) return true
  return false
}

describe('the gate of a tenant that moves', () => {
  test('is closed when the writes in flight have ended, and not before', async (t) => {
    const here = await moving(t)
    const { impatient, mover } = here
    let closed: Promise<string | null> | undefined
    await asBob(impatient, () =>
      impatient.transaction(async (tx) => {
        await tx.query(write('1'))
        await mover.announce()
        closed = mover.close()
        assert.ok(await isKeptWaiting(here, closed))
        // It writes already, so it may write on: refused, it would be waited for in vain.
        await tx.query(write('2'))
        // Whoever has not begun is not let in, however many others write.
        await assert.rejects(
          asBob(impatient, () => impatient.query(write('late'))),
          TenantMovingError,
        )
      }),
    )
    assert.equal(await closed, 'moving')
    assert.deepEqual((await mover.visits()).source, ['1', '2'])
  })

  test('is closed past those that read, who go on reading; their first write is refused', async (t) => {
    const { impatient, mover } = await moving(t)
    await asBob(impatient, () => impatient.query(write('1')))
    const torn = asBob(impatient, () =>
      impatient.transaction(async (tx) => {
        await tx.query('select what from visits')
        await mover.announce()
        assert.equal(await mover.close(), 'moving')
        assert.equal((await tx.query('select what from visits')).rowCount, 1)
        await tx.query(write('late'))
      }),
    )
    await assert.rejects(torn, TenantMovingError)
    assert.deepEqual((await mover.visits()).source, ['1'])
  })

  for (const isolation of ['repeatable read', 'serializable'] as const) {
    test(`${isolation}: a snapshot from before the gate was closed writes nothing after it`, async (t) => {
      const { impatient, mover } = await moving(t)
      const torn = asBob(impatient, () =>
        impatient.transaction(
          async (tx) => {
            await tx.query('select what from visits')
            await mover.fenceOff()
            await tx.query(write('late'))
          },
          { isolation },
        ),
      )
      await assert.rejects(torn, (error) => error instanceof SerializationError || error instanceof TenantMovingError)
      // And one from before that is still at it when the gate is open again sees what happened meanwhile, or fails.
      await mover.giveUp()
      await asBob(impatient, () => impatient.transaction((tx) => tx.query(write('after')), { isolation }))
      assert.deepEqual((await mover.visits()).source, ['after'])
    })

    test(`${isolation}: who writes already may write on while the fence is announced`, async (t) => {
      const { impatient, mover } = await moving(t)
      await asBob(impatient, () =>
        impatient.transaction(
          async (tx) => {
            await tx.query(write('1'))
            await mover.announce()
            await tx.query(write('2'))
          },
          { isolation },
        ),
      )
      assert.equal(await mover.close(), 'moving')
      assert.deepEqual((await mover.visits()).source, ['1', '2'])
    })
  }

  test('is not closed by a fence that was given up, nor by an older one', async (t) => {
    const { impatient, mover } = await moving(t)
    await mover.fenceOff()
    await mover.giveUp()
    assert.equal(await mover.close(), null)
    await mover.announce()
    assert.equal(await mover.close(mover.fence - 1), null)
    assert.equal((await mover.gate()).state, 'moving')
    assert.equal(await mover.close(), 'moving')
    // A second time, after the answer was lost.
    assert.equal(await mover.close(), null)
    await mover.giveUp()
    await asBob(impatient, () => impatient.query(write('1')))
  })

  test('of one tenant keeps nobody else from writing', async (t) => {
    const { impatient, mover, aliceIn, carol } = await moving(t)
    await mover.fenceOff()
    await impatient.run('carol', () => impatient.query(write('carol')))
    await assert.rejects(
      asBob(impatient, () => impatient.query(write('bob'))),
      TenantMovingError,
    )
    const rows = await aliceIn(carol, 'select what from visits where tenant_id = $1', [carol.id])
    assert.deepEqual(rows, [{ what: 'carol' }])
  })

  test('is reopened by an application with the catalog’s number alone, and not before the deadline', async (t) => {
    const here = await moving(t)
    const { mover, bob } = here
    await mover.fenceOff()
    const ask = async (rows: Promise<readonly { answer: string | null }[]>) => (await rows)[0]!.answer
    const expire = () => ask(here.aliceInCatalog('select partywall.expire_fence($1)::text as answer', [bob.id]))
    const reopen = (fence: number) => ask(here.aliceIn(bob, 'select partywall.reopen_gate($1, $2) as answer', [bob.id, fence]))
    assert.deepEqual([await expire(), await reopen(mover.fence)], [null, null])
    assert.deepEqual([await mover.state(), (await mover.gate()).state], ['fencing', 'fenced'])
    await here.aliceInCatalog('update partywall.moves set fence_until = clock_timestamp()')
    await here.aliceIn(bob, 'update partywall.gates set fenced_until = clock_timestamp() where tenant_id = $1', [bob.id])
    // Past the deadline here, and the catalog has not been asked: it may have committed.
    assert.equal(await reopen(mover.fence - 1), null)
    assert.equal(await expire(), String(mover.fence))
    assert.deepEqual([await reopen(mover.fence), await mover.state()], ['moving', 'following'])
    await asBob(here.impatient, () => here.impatient.query(write('1')))
  })
})
